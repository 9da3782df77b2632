import org.codehaus.groovy.control.CompilerConfiguration
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/**
 * One build, with everything of Jenkins that a Jenkinsfile can see: agents with workspaces of their own, stashes, results, the build's page.
 * The request: jenkinsfile, root (a folder for everything), repository (what `checkout scm` brings), agents [{name, labels, environment}],
 * parameters, credentials {id: value}, environment.
 */
class Build {
    static final List<String> RESULTS = ['SUCCESS', 'UNSTABLE', 'FAILURE', 'ABORTED']

    final Map tables, request
    final File root
    final Environment env = new Environment()
    final Map params = [:]
    final Steps steps
    final Map<String, String> stages = [:]
    final StringBuilder log = new StringBuilder()
    final Current current = new Current()
    final Map page = [artifacts: [], fingerprints: [:], reports: [], junit: null]
    final List<Number> timeouts = []
    final List<Map> nodes = []
    String result = 'SUCCESS'
    private int allocations = 0

    Build(Map tables, Map request) {
        this.tables = tables
        this.request = request
        root = new File(request.root)
        steps = new Steps(this)
    }

    /** What others may ask of a build while it runs. */
    static class Current {
        String description
        long duration = 0
    }

    Map run() {
        def configuration = new CompilerConfiguration(scriptBaseClass: 'JenkinsScript')
        def binding = new Binding(theBuild: this)
        try {
            new GroovyShell(this.class.classLoader, binding, configuration).evaluate(new File(request.jenkinsfile))
        } catch (Exception error) {
            failed(error)
        }
        [result: result, description: current.description, stages: stages, log: masked(log.toString())] + page
    }

    void say(text) {
        log << text << '\n'
    }

    void worsen(String other) {
        if (RESULTS.indexOf(other) > RESULTS.indexOf(result)) {
            result = other
        }
    }

    /** The exception ends a part of the build: what Jenkins makes of it. Returns the result of that part. */
    String failed(Throwable error) {
        String came = resultOf(error)
        def where = error.stackTrace.find { it.fileName?.startsWith('Jenkinsfile') }
        say("${error instanceof StepFailed ? 'ERROR' : error.class.simpleName}: ${error.message} (line ${where?.lineNumber})")
        worsen(came)
        came
    }

    static String resultOf(Throwable error) {
        error instanceof FlowInterruptedException ? error.result : 'FAILURE'
    }

    /** A time-out bounds also the wait for an agent; time passes here only where one is waited for in vain. */
    def during(Number minutes, Closure body) {
        if (minutes == null) {
            return body()
        }
        timeouts << minutes
        try {
            body()
        } finally {
            timeouts.remove(timeouts.size() - 1)
        }
    }

    /** Runs the body on an agent with that label, in an empty workspace: what is not stashed is not there. */
    def onNode(String label, boolean checkout, Closure body) {
        def agent = request.agents.find { label == it.name || label in it.labels }
        if (agent == null) {
            waitInVain(label)
        }
        File workspace = new File(root, "workspaces/${agent.name}-${++allocations}")
        workspace.mkdirs()
        nodes << [agent: agent, folder: workspace]
        say("Running on ${agent.name} in ${workspace}")
        try {
            env.during((agent.environment ?: [:]) + [NODE_NAME: agent.name, WORKSPACE: workspace.path]) {
                if (!checkout) {
                    return body()
                }
                env.during(steps.checkOut()) { body() }
            }
        } finally {
            nodes.remove(nodes.size() - 1)
        }
    }

    private void waitInVain(String label) {
        if (!timeouts) {
            throw new IllegalStateException("this build waits for ever: there is no agent with the label ${label}, and no timeout around")
        }
        current.duration += (timeouts.min() * 60 * 1000) as long
        throw new FlowInterruptedException("no agent with the label ${label} came in ${timeouts.min()} minutes")
    }

    /** Jenkins replaces the values of credentials in every line of the log. */
    String masked(String text) {
        request.credentials.values().findAll { it }.inject(text) { masked, secret -> masked.replace(secret, '****') }
    }
}
