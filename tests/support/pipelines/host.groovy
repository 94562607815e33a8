// Runs a declarative Jenkinsfile without Jenkins: groovy host.groovy JENKINSFILE REPOSITORY WORKSPACES
// The sections pass through; a step that is not known is an error, and so is a misspelt section. It is
// no proof of Jenkins' own rules: of its sandbox, its CPS, or the schema of a declarative pipeline.
abstract class Steps extends Script {
    static File repository, workspaces, store
    static int count = 0
    static Map variables = [:]
    static String result = 'SUCCESS'
    File workspace

    def on(owner, Closure body) {
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body.delegate = owner
        body()
    }

    def fresh() {
        workspace = new File(workspaces, "workspace-${count++}")
        workspace.mkdirs()
    }

    String call(String command) {
        def builder = new ProcessBuilder('sh', '-e', '-c', command).directory(workspace)
        builder.environment().putAll(variables)
        builder.redirectError(ProcessBuilder.Redirect.INHERIT)
        def process = builder.start()
        def text = process.inputStream.text
        print text
        if (process.waitFor() != 0) throw new Exception("script returned exit code ${process.exitValue()}")
        text
    }

    def agent(Object... ignored) { fresh(); call("git clone -q '${repository}' .") }
    def getAny() { 'any' }
    def getScm() { 'scm' }
    def environment(Closure body) { on(new Expando() { void setProperty(String n, v) { variables[n] = v as String } }, body) }
    def options(Closure body) { on(this, body) }
    def timeout(Map ignored) {}
    def credentials(String id) { System.getenv(id.toUpperCase().replace('-', '_')) ?: '' }
    def stage(String name, Closure body) { if (result == 'SUCCESS' || name == 'merge') { println "stage ${name}"; on(this, body) } }
    def node(String label, Closure body) {
        def before = workspace
        fresh()
        try { on(this, body) } finally { workspace = before }
    }
    def checkout(what) { call("git clone -q '${repository}' .") }
    def parallel(Map branches) { branches.each { name, body -> println "branch ${name}"; on(this, body) } }
    def sh(String command) { call(command) }
    def sh(Map arguments) { call(arguments.script) }
    def dir(String name, Closure body) {
        def before = workspace
        workspace = new File(before, name)
        workspace.mkdirs()
        try { on(this, body) } finally { workspace = before }
    }
    def catchError(Map ignored, Closure body) {
        try { on(this, body) } catch (Exception error) { println "ERROR: ${error.message}"; result = 'FAILURE' }
    }
    def stash(Map a) {
        def target = new File(store, a.name)
        target.mkdirs()
        call("find ${a.includes.split('/')[0]} -type f -exec cp --parents {} '${target}' ';'")
    }
    def unstash(String name) { call("cp -R '${new File(store, name)}/.' .") }
    def junit(String pattern) { call("ls ${pattern} > /dev/null"); println "junit ${pattern}" }
    def archiveArtifacts(Map a) {
        def target = new File(store, 'archive')
        target.mkdirs()
        call("cp -R ${a.artifacts.split('/')[0]} '${target}'")
    }
    def post(Closure body) { on(this, body) }

    def pipeline(Closure body) {
        def sections = new Sections(steps: this)
        sections.on(sections, body)
        try { on(this, sections.stages) } catch (Exception error) { println "ERROR: ${error.message}"; result = 'FAILURE' }
        on(this, sections.after)
        println "Finished: ${result}"
        if (result != 'SUCCESS') System.exit(1)
    }

    def methodMissing(String name, arguments) {
        if (name in ['steps', 'script', 'always'] && arguments.size() == 1) return on(this, arguments[0])
        throw new MissingMethodException(name, Steps, arguments)
    }
}

// Takes stages and post apart: what stands in post runs after a failure, too.
class Sections {
    Steps steps
    Closure stages, after = {}
    def on(owner, Closure body) { body.resolveStrategy = Closure.DELEGATE_FIRST; body.delegate = owner; body() }
    def getAny() { 'any' }
    def agent(what) { steps.agent(what) }
    def options(Closure body) { steps.options(body) }
    def environment(Closure body) { steps.environment(body) }
    def stages(Closure body) { stages = body }
    def post(Closure body) { after = body }
}

Steps.repository = new File(args[1])
Steps.workspaces = new File(args[2])
Steps.store = new File(Steps.workspaces, 'store')
def configuration = new org.codehaus.groovy.control.CompilerConfiguration(scriptBaseClass: 'Steps')
new GroovyShell(getClass().classLoader, new Binding(), configuration).evaluate(new File(args[0]))
