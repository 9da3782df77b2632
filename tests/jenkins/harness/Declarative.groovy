/** Runs the sections of a declarative pipeline in the order and under the conditions that Jenkins does. Checked before by Checker. */
class Declarative {
    static final Map<String, Number> MINUTES = [SECONDS: 1 / 60, MINUTES: 1, HOURS: 60, DAYS: 1440]

    final Build build
    final Script script

    Declarative(Build build, Script script) {
        this.build = build
        this.script = script
    }

    private List<List> callsOf(Closure body) {
        def calls = new Calls()
        within(calls, body)
        calls.found
    }

    private within(delegate, Closure body) {
        def copy = body.rehydrate(delegate, script, script)
        copy.resolveStrategy = Closure.DELEGATE_FIRST
        copy()
    }

    private perform(Closure body) {
        body.rehydrate(script, script, script).call()
    }

    private Map<String, Object> sectionsOf(Closure body) {
        callsOf(body).collectEntries { [it[0], it[1] ? it[1].last() : null] }
    }

    void run(Closure body) {
        def sections = sectionsOf(body)
        setParameters(sections.parameters)
        environment(sections.environment) {
            try {
                build.during(timeoutOf(sections.options)) {
                    onAgent(sections.agent) { runStages(sections.stages) }
                }
            } catch (Exception error) {
                build.failed(error)
            }
            after(sections.post, build.result)
        }
    }

    private void setParameters(Closure parameters) {
        (parameters ? callsOf(parameters) : []).each { kind, arguments ->
            Map about = arguments[0]
            build.params[about.name] = build.request.parameters.containsKey(about.name) ? build.request.parameters[about.name] : about.defaultValue
        }
    }

    private Number timeoutOf(Closure options) {
        def found = options ? callsOf(options).find { it[0] == 'timeout' } : null
        found ? found[1][0].time * MINUTES[found[1][0].unit ?: 'MINUTES'] : null
    }

    private void environment(Closure body, Closure then) {
        if (body == null) {
            then()
            return
        }
        Map<String, String> found = [:]
        def setter = new Expando() {
            void setProperty(String name, Object value) {
                found[name] = value as String
            }

            Object getProperty(String name) {
                throw new MissingPropertyException(name, Expando)
            }
        }
        within(setter, body)
        build.env.during(found) { then() }
    }

    private void onAgent(agent, Closure body) {
        if (agent == null || agent == 'none') {
            body()
        } else {
            String label = agent == 'any' ? build.request.agents[0].name : sectionsOf(agent).label
            build.onNode(label, true, body)
        }
    }

    private void runStages(Closure stages) {
        callsOf(stages).each { name, arguments -> runStage(arguments[0] as String, arguments[1]) }
    }

    private void runStage(String name, Closure body) {
        def sections = sectionsOf(body)
        if (!wanted(sections.when)) {
            build.stages[name] = 'SKIPPED'
            return
        }
        build.say("[Pipeline] stage (${name})")
        String before = build.result
        build.result = 'SUCCESS'
        Throwable thrown = null
        build.during(timeoutOf(sections.options)) {
            try {
                environment(sections.environment) {
                    onAgent(sections.agent) {
                        try {
                            runBody(sections)
                        } catch (Exception error) {
                            thrown = error
                            build.worsen(Build.resultOf(error))
                        }
                        after(sections.post, build.result)
                    }
                }
            } catch (Exception error) {
                thrown = error
                build.worsen(Build.resultOf(error))
            }
        }
        build.stages[name] = worst(build.stages[name], build.result)
        build.result = worst(before, build.result)
        if (thrown) {
            throw thrown
        }
    }

    private void runBody(Map sections) {
        if (sections.steps) {
            perform(sections.steps)
        } else if (sections.stages) {
            runStages(sections.stages)
        } else if (sections.parallel) {
            sideBySide(callsOf(sections.parallel).collect { call -> { -> runStage(call[1][0], call[1][1]) } })
        } else {
            runMatrix(sections.matrix)
        }
    }

    private void runMatrix(Closure body) {
        def sections = sectionsOf(body)
        def axes = callsOf(sections.axes).collect { callsOf(it[1][0]).collectEntries { call -> [call[0], call[1]] } }
        def cells = axes.collect { axis -> axis.values.collect { [(axis.name[0]): it] } }.combinations()*.sum()
        sideBySide(cells.collect { cell ->
            { ->
                build.env.during(cell) {
                    if (wanted(sections.when)) {
                        onAgent(sections.agent) { runStages(sections.stages) }
                        after(sections.post, build.result)
                    } else {
                        build.say("Skipped: ${cell}")
                    }
                }
            }
        })
    }

    /** One after the other here, but as in Jenkins the others go on when one fails. */
    private static void sideBySide(List<Closure> branches) {
        Throwable first = null
        branches.each { branch ->
            try {
                branch()
            } catch (Exception error) {
                first = first ?: error
            }
        }
        if (first) {
            throw first
        }
    }

    private boolean wanted(Closure conditions) {
        conditions == null || callsOf(conditions).findAll { it[0] == 'expression' }.every { perform(it[1][0]) as boolean }
    }

    /** `post` of a stage or of the pipeline: an error in it fails the build, and the other conditions are still looked at. */
    private void after(Closure post, String came) {
        def conditions = post ? sectionsOf(post) : [:]
        def met = ['always', 'changed', 'fixed', 'regression', 'aborted', 'failure', 'success', 'unstable', 'unsuccessful', 'cleanup'].findAll {
            it in ['always', 'cleanup'] || it == came.toLowerCase() || (it == 'unsuccessful' && came != 'SUCCESS')
        }
        met.findAll { conditions.containsKey(it) }.each {
            try {
                perform(conditions[it])
            } catch (Exception error) {
                build.failed(error)
            }
        }
    }

    private static String worst(String one, String other) {
        [one ?: 'SUCCESS', other].max { Build.RESULTS.indexOf(it) }
    }
}
