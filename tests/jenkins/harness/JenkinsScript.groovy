/** What a Jenkinsfile extends: `pipeline`, the objects that Jenkins puts into every script, and the steps. */
abstract class JenkinsScript extends Script {
    private Build theBuild() {
        super.getBinding().getVariable('theBuild') as Build
    }

    void pipeline(Closure body) {
        new Declarative(theBuild(), this).run(body)
    }

    def methodMissing(String name, args) {
        theBuild().steps.call(name, args as List)
    }

    @Override
    Object getProperty(String name) {
        switch (name) {
            case 'env': return theBuild().env
            case 'params': return theBuild().params
            case 'currentBuild': return theBuild().current
            case 'scm': return 'the repository'
        }
        if (theBuild().env.has(name)) {
            return theBuild().env.getProperty(name)
        }
        super.getProperty(name)
    }
}
