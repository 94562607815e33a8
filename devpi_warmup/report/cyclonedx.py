"""A wheelhouse as CycloneDX has it: a component a file, a platform a cell, edges of who wants whom.

The same wheelhouse is the same text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseAcknowledgement
from cyclonedx.model.tool import Tool
from cyclonedx.model.vulnerability import BomTarget, Vulnerability, VulnerabilitySource
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from devpi_warmup import __version__
from devpi_warmup.wheelhouse.about import Licence, Stated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from uuid import UUID

    from cyclonedx.model.license import License

    from devpi_warmup.inventory.contents import Inventory, Item
    from devpi_warmup.report.result import Result

VERSION = SchemaVersion.V1_6  # what consumers read today
_DECLARED = LicenseAcknowledgement.DECLARED
_PREFIX = "devpi-warmup"


def bill(
    result: Result,
    serial: UUID,
    when: datetime,
    brought: Mapping[str, tuple[str, str]],
    properties: Mapping[str, str],
    *,
    version: SchemaVersion = VERSION,
) -> str:
    """Return a bill of materials of every file of an inventory, as JSON.

    :param serial: names the state of the wheelhouse
    :param brought: the bills that wheels bring: paths, each with its wheel and sha256
    :param properties: of the whole
    """
    inventory = result.inventory
    root = Component(name="wheelhouse", type=ComponentType.APPLICATION, bom_ref="wheelhouse")
    bom = Bom(serial_number=serial, metadata=BomMetaData(component=root, timestamp=when))
    bom.metadata.tools.tools.add(Tool(name="devpi-warmup", version=__version__))
    bom.metadata.properties.add(_property("index", result.manifest.index))
    for name, value in properties.items():
        bom.metadata.properties.add(Property(name=name, value=value))
    files = {item.name: _component(item, brought) for item in inventory.items}
    edges = _edges(inventory)
    for name, component in files.items():
        bom.components.add(component)
        bom.register_dependency(component, [files[other] for other in sorted(edges[name])])
    platforms = [*_platforms(result)]
    for held, platform in zip(inventory.held, platforms, strict=True):
        bom.components.add(platform)
        bom.register_dependency(platform, [files[name] for name in held.files])
    bom.register_dependency(root, platforms)
    for vulnerability in _vulnerabilities(inventory):
        bom.vulnerabilities.add(vulnerability)
    text: str = make_outputter(bom, OutputFormat.JSON, version).output_as_string(indent=1)
    return text + "\n"


def _component(item: Item, brought: Mapping[str, tuple[str, str]]) -> Component:
    file = item.file
    return Component(
        name=file.project,
        version=file.version,
        type=ComponentType.LIBRARY,
        bom_ref=item.name,
        description=item.about.summary or None,
        scope=ComponentScope.REQUIRED if item.installed else ComponentScope.EXCLUDED,
        purl=PackageURL("pypi", None, file.project, file.version, {"file_name": item.name}),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file.sha256)],
        licenses=_licences(item.about.licence),
        external_references=[
            ExternalReference(
                type=ExternalReferenceType.BOM,
                url=XsUri(path),
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
            )
            for path, (wheel, digest) in brought.items()
            if wheel == item.name
        ],
        properties=[
            _property("size", str(file.size)),
            _property("origin", file.origin.value),
            _property("warm", file.proof.warmth.value),
            _property("licence-stated-by", item.about.licence.stated.value),
            *(_property("requires-python", p) for p in [item.about.requires_python] if p),
            *(_property("licence-not-allowed", why) for why in [item.verdict.refused] if why),
        ],
    )


def _licences(licence: Licence) -> Iterable[License]:
    factory = LicenseFactory()
    if licence.stated is Stated.EXPRESSION or (licence.stated is Stated.TEXT and licence.whole):
        return [factory.make_from_string(licence.text, license_acknowledgement=_DECLARED)]
    if licence.stated is Stated.TEXT:
        return [DisjunctiveLicense(name=licence.text, acknowledgement=_DECLARED)]
    return [DisjunctiveLicense(name=c, acknowledgement=_DECLARED) for c in licence.classifiers]


def _platforms(result: Result) -> Iterator[Component]:
    states = {row.cell: row for row in result.rows}
    for held in result.inventory.held:
        cell, row = held.cell, states[held.cell.id]
        yield Component(
            name=cell.id,
            type=ComponentType.PLATFORM,
            bom_ref=f"cell:{cell.id}",
            properties=[
                _property("environment", cell.environment or "-"),
                _property("python", cell.target.python),
                _property("python-served", row.patches),
                _property("platform", cell.target.platform),
                _property("state", row.state),
            ],
        )


def _edges(inventory: Inventory) -> dict[str, set[str]]:
    """Return which files each file wants, in any of the cells."""
    edges: dict[str, set[str]] = {item.name: set() for item in inventory.items}
    items = {item.name: item for item in inventory.items}
    for held in inventory.held:
        files = [(items[name].file, name) for name in held.files]
        pins = {project: pin.sha256 for project, pin in held.pins.items()}
        names = {f.project: name for f, name in files if pins.get(f.project) == f.sha256}
        for project, pin in held.pins.items():
            for wanting in pin.via:
                by = names.get(wanting.partition("[")[0])
                if by is not None and project in names and by != names[project]:
                    edges[by].add(names[project])
    return edges


def _vulnerabilities(inventory: Inventory) -> Iterator[Vulnerability]:
    for found, items in inventory.findings.items():
        finding = found.finding
        yield Vulnerability(
            bom_ref=f"advisory:{finding.id}:{found.project}:{found.version}",
            id=finding.id,
            source=VulnerabilitySource(name="OSV"),
            description=finding.summary or None,
            recommendation=f"fixed in {', '.join(finding.fixed)}" if finding.fixed else None,
            detail=finding.unclear or None,
            affects=[BomTarget(ref=item.name) for item in items],
            properties=[
                *(_property("alias", alias) for alias in finding.aliases),
                *(_property("severity", text) for text in [finding.severity] if text),
            ],
        )


def _property(name: str, value: str) -> Property:
    return Property(name=f"{_PREFIX}:{name}", value=value)
