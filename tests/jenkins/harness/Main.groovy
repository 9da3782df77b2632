import groovy.json.JsonOutput
import groovy.json.JsonSlurper

/**
 * The harness, as tests/jenkins/jenkins.py calls it.
 *
 *     groovy -cp HARNESS HARNESS/Main.groovy check TABLES FILE…      what is wrong with each, as JSON
 *     groovy -cp HARNESS HARNESS/Main.groovy build TABLES FOLDER…    executes the build that each FOLDER/request.json describes
 */
def tables = new JsonSlurper().parse(new File(args[1]))
if (args[0] == 'check') {
    def found = args.drop(2).collectEntries { [it, new Checker(tables).check(new File(it))*.toString()] }
    println JsonOutput.toJson(found)
} else {
    args.drop(2).each { folder ->
        def request = new JsonSlurper().parse(new File(folder, 'request.json'))
        new File(folder, 'result.json').text = JsonOutput.toJson(new Build(tables, request).run())
    }
}
