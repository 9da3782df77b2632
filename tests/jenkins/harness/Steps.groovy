import java.nio.file.Files
import java.security.MessageDigest
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** The steps, by their names: real shells, real files. */
class Steps {
    final Build build

    Steps(Build build) {
        this.build = build
    }

    def call(String name, List args) {
        def about = build.tables.steps[name]
        if (about == null) {
            if (build.tables.symbols.containsKey(name)) {
                return [symbol: name] + args[0]
            }
            throw new StepFailed("No such DSL method '${name}' found among steps")
        }
        if (about.needs == 'node' && !build.nodes) {
            throw new StepFailed("Required context class hudson.FilePath is missing: `${name}` needs an agent")
        }
        Closure body = args && args.last() instanceof Closure ? args.last() : null
        Map named = args && args[0] instanceof Map ? args[0] : (args && !(args[0] instanceof Closure) ? [(about.arguments[0]): args[0]] : [:])
        "${name}"(named, body)
    }

    private File getFolder() {
        build.nodes.last().folder
    }

    // -- blocks --------------------------------------------------------------------------------------------------

    def script(Map named, Closure body) {
        body()
    }

    def timestamps(Map named, Closure body) {
        body()
    }

    def node(Map named, Closure body) {
        build.onNode(named.label as String, false, body)
    }

    def timeout(Map named, Closure body) {
        build.during(named.time * Declarative.MINUTES[named.unit ?: 'MINUTES'], body)
    }

    def withEnv(Map named, Closure body) {
        build.env.during(named.overrides.collectEntries { it.toString().split('=', 2) as List }, body)
    }

    def withCredentials(Map named, Closure body) {
        def bound = named.bindings.collectEntries { binding ->
            if (!build.request.credentials.containsKey(binding.credentialsId)) {
                throw new StepFailed("Could not find credentials entry with ID '${binding.credentialsId}'")
            }
            [binding.variable, build.request.credentials[binding.credentialsId]]
        }
        build.env.during(bound, body)
    }

    def dir(Map named, Closure body) {
        File inner = new File(folder, named.path as String)
        inner.mkdirs()
        build.nodes << [agent: build.nodes.last().agent, folder: inner]
        try {
            body()
        } finally {
            build.nodes.remove(build.nodes.size() - 1)
        }
    }

    /** An interruption keeps its own result, whatever `buildResult` says: so does the plugin. */
    def catchError(Map named, Closure body) {
        try {
            body()
        } catch (FlowInterruptedException stopped) {
            if (named.catchInterruptions == false) {
                throw stopped
            }
            build.failed(stopped)
        } catch (Exception error) {
            build.say("ERROR: ${error.message}")
            build.worsen(named.buildResult ?: 'FAILURE')
        }
        null
    }

    // -- the build -----------------------------------------------------------------------------------------------

    void echo(Map named, Closure body) {
        build.say(named.message)
    }

    void error(Map named, Closure body) {
        throw new StepFailed(named.message as String)
    }

    void unstable(Map named, Closure body) {
        build.say("WARNING: ${named.message}")
        build.worsen('UNSTABLE')
    }

    // -- files ---------------------------------------------------------------------------------------------------

    def checkout(Map named, Closure body) {
        checkOut()
    }

    Map checkOut() {
        File repository = new File(build.request.repository)
        copy(repository, Globs.matching(repository, '**'), folder)
        [GIT_COMMIT: '0123456789012345678901234567890123456789']
    }

    def sh(Map named, Closure body) {
        File script = File.createTempFile('script', '.sh', build.root)
        script.text = named.script
        def builder = new ProcessBuilder('sh', '-xe', script.path).directory(folder)
        builder.environment().clear()
        builder.environment().putAll(build.request.environment + build.env.all().findAll { it.value != null })
        def process = builder.start()
        def out = new StringBuilder(), err = new StringBuilder()
        process.waitForProcessOutput(out, err)
        script.delete()
        build.say("+ ${named.label ?: named.script}\n${err}${named.returnStdout ? '' : out}")
        int code = process.exitValue()
        if (named.returnStatus) {
            return code
        }
        if (code != 0) {
            throw new StepFailed("script returned exit code ${code}")
        }
        named.returnStdout ? out.toString() : null
    }

    String readFile(Map named, Closure body) {
        new File(folder, named.file as String).text
    }

    void writeFile(Map named, Closure body) {
        new File(folder, named.file as String).text = named.text
    }

    boolean fileExists(Map named, Closure body) {
        new File(folder, named.file as String).exists()
    }

    void deleteDir(Map named, Closure body) {
        folder.deleteDir()
    }

    void stash(Map named, Closure body) {
        def files = Globs.matching(folder, named.includes, named.excludes)
        if (!files && !named.allowEmpty) {
            throw new StepFailed("No files included in stash ‘${named.name}’")
        }
        File target = new File(build.root, "stashes/${named.name}")
        target.deleteDir()
        target.mkdirs()
        copy(folder, files, target)
        build.say("Stashed ${files.size()} file(s)")
    }

    void unstash(Map named, Closure body) {
        File source = new File(build.root, "stashes/${named.name}")
        if (!source.directory) {
            throw new StepFailed("No such saved stash ‘${named.name}’")
        }
        copy(source, Globs.matching(source, '**'), folder)
    }

    // -- the build's page ----------------------------------------------------------------------------------------

    void archiveArtifacts(Map named, Closure body) {
        def files = Globs.matching(folder, named.artifacts, named.excludes)
        if (!files && !named.allowEmptyArchive) {
            throw new StepFailed("No artifacts found that match the file pattern \"${named.artifacts}\"")
        }
        copy(folder, files, new File(build.root, 'artifacts'))
        build.page.artifacts += files
        if (named.fingerprint) {
            files.each { build.page.fingerprints[it] = MessageDigest.getInstance('MD5').digest(new File(folder, it).bytes).encodeHex().toString() }
        }
    }

    void junit(Map named, Closure body) {
        def files = Globs.matching(folder, named.testResults)
        if (!files && !named.allowEmptyResults) {
            throw new StepFailed('No test report files were found. Configuration error?')
        }
        def cases = files.collectMany { new XmlSlurper().parse(new File(folder, it)).depthFirst().findAll { it.name() == 'testcase' } }
        def counted = { String kind -> cases.count { one -> one.children().any { it.name() == kind } } }
        build.page.junit = [tests: cases.size(), failures: counted('failure'), errors: counted('error'), skipped: counted('skipped')]
        if (build.page.junit.failures + build.page.junit.errors && !named.skipMarkingBuildUnstable) {
            build.worsen('UNSTABLE')
        }
    }

    void publishHTML(Map named, Closure body) {
        def about = named.target ?: named
        File report = new File(folder, about.reportDir as String)
        if (!new File(report, about.reportFiles as String).file) {
            if (!about.allowMissing) {
                throw new StepFailed("Specified HTML directory '${report}' does not exist.")
            }
            return
        }
        copy(report, Globs.matching(report, about.includes ?: '**'), new File(build.root, "reports/${about.reportName}"))
        build.page.reports << about.reportName
    }

    private static void copy(File source, List<String> names, File target) {
        names.each {
            File file = new File(target, it)
            file.parentFile.mkdirs()
            Files.copy(new File(source, it).toPath(), file.toPath(), java.nio.file.StandardCopyOption.REPLACE_EXISTING, java.nio.file.StandardCopyOption.COPY_ATTRIBUTES)
        }
    }
}
