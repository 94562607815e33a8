"""Resolve once, and after a failure go on without what has failed, to find what else will."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from resolvelib import BaseReporter, ResolutionImpossible, Resolver
from resolvelib.resolvers import ResolutionTooDeep

from devpi_warmup.errors import ResolutionError, WarmupError
from devpi_warmup.resolve.impossible import ImpossibleError, impossible
from devpi_warmup.resolve.provider import Provider
from devpi_warmup.resolve.requirement import PYTHON, Candidate, ResolverRequirement
from devpi_warmup.resolve.roots import roots_of
from devpi_warmup.wheelhouse.origins import Origin
from devpi_warmup.wheelhouse.wheels import BrokenWheelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.utils import NormalizedName
    from resolvelib.resolvers import Result

    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.index.pages import IndexFile, Wheel
    from devpi_warmup.inputs.requirements import TargetRequirements
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.resolve.builds import Builds
    from devpi_warmup.resolve.kept import Kept

_MAX_ROUNDS = 200_000
_FURTHER = 1_000  # rounds that are spent on finding what else is wrong; the first may take a few
_PIN_SOME = "pin some versions, or add constraints"


class Attempt:
    """What came of trying to resolve the requirements of one target.

    What is left out only ever takes requirements away, so every further failure is one, too.

    Attributes: ``result`` is what was chosen, or None; ``roots`` for whom; ``broken`` the wheels
    that were opened and are no good, and why; ``problems`` all that is wrong.
    """

    def __init__(
        self,
        own: TargetRequirements,
        target: Target,
        fetcher: Fetcher,
        kept: Mapping[NormalizedName, Kept],
        builds: Builds | None = None,
        *,
        shallow: bool = False,
    ) -> None:
        """Try.

        :param own: the user's own lines
        :param kept: the pins that stay while the requirements admit them
        :param builds: builds the sdists that may be built
        :param shallow: look no further than the user's own requirements
        """
        self._target = target
        self._fetcher = fetcher
        self._builds = builds
        self._shallow = shallow
        self.problems: list[WarmupError] = []
        self.broken: dict[IndexFile, str] = {}
        self.roots = replace(roots_of(own, target, self.problems), kept=kept)
        self._given_up = set(self.roots.refused)
        self.result: Result[ResolverRequirement, Candidate, str] | None = None
        more = True
        while more and self.result is None:
            more = self._try()

    def _try(self) -> bool:
        """Resolve without what has failed before; return whether more can be found after it."""
        provider = Provider(
            self.roots,
            self._target,
            self._fetcher,
            self.broken,
            self._given_up,
            shallow=self._shallow,
            builds=self._builds,
        )
        try:
            self.result = self._solve(provider)
        except ImpossibleError as error:
            return self._give_up(error)
        except BrokenWheelError as error:
            assert provider.opening is not None  # noqa: S101
            return self._pass_over(provider.opening, error)
        except WarmupError as error:
            self.problems.append(error)
            return False
        except ResolutionTooDeep:
            self._end(f"the requirements need over {_MAX_ROUNDS} steps to resolve")
            return False
        except RecursionError:
            # resolvelib goes round in what is left over of projects that require each other when
            # nobody wants them any more (_has_route_to_root); so does pip's copy of it.
            self._end(
                "projects that require each other have the resolver go round in circles, and pip "
                "as well"
            )
            return False
        finally:
            provider.prefetch.stop()
        return True

    def _solve(self, provider: Provider) -> Result[ResolverRequirement, Candidate, str]:
        if not self._shallow:
            provider.prefetch.look(self.roots.wants, sure=True)
        resolver = Resolver(provider, BaseReporter[ResolverRequirement, Candidate, str]())
        rounds = _FURTHER if self.problems else _MAX_ROUNDS
        try:
            return resolver.resolve(self.roots.wants, max_rounds=rounds)
        except ResolutionImpossible as error:
            raise impossible(
                list(error.causes),
                provider.wanters,
                self.roots,
                self._target,
                self._fetcher,
                provider.finder,
                self.broken,
            ) from None

    def _give_up(self, error: ImpossibleError) -> bool:
        """Leave out projects that cannot be had together; return whether that is anything new."""
        if not self.problems:  # each of the roots may be missing, and that takes a while
            self._fetcher.look_up(self.roots.names)
        self.problems.append(error)
        new = error.projects - self._given_up - {PYTHON}
        self._given_up |= new
        return bool(new)

    def _pass_over(self, wheel: Wheel, error: BrokenWheelError) -> bool:
        """Leave out a wheel, as pip does; nothing chosen so far may depend on it.

        :returns: whether there may be another
        """
        if wheel.file.origin is Origin.BUILT:
            self.problems.append(error)
            self._given_up.add(wheel.project)
            return True
        if wheel in {candidate.wheel for candidate in self.roots.from_urls.values()}:
            self.problems.append(error)
            return False
        self.broken[wheel.file] = str(error)
        if error.whole_version:
            same = self._fetcher.page(wheel.project).wheels
            self.broken |= {w.file: str(error) for w in same if w.version == wheel.version}
        return True

    def _end(self, problem: str) -> None:
        """End without an answer; where something is wrong already, that is enough for one run."""
        if not self.problems:
            self.problems.append(ResolutionError(problem, hint=_PIN_SOME))
