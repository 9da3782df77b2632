import org.codehaus.groovy.ast.ClassNode
import org.codehaus.groovy.ast.CodeVisitorSupport
import org.codehaus.groovy.ast.expr.*
import org.codehaus.groovy.ast.stmt.*
import org.codehaus.groovy.control.CompilationUnit
import org.codehaus.groovy.control.MultipleCompilationErrorsException
import org.codehaus.groovy.control.Phases
import org.codehaus.groovy.runtime.DefaultGroovyMethods

/**
 * Reads a Jenkinsfile as Jenkins' own parser does, before anything runs: the sections of a declarative pipeline by their names, and
 * every step in every branch, also in those that a run may never come to. The names stand in jenkins.json.
 */
class Checker {
    /** Groovy puts these on everything: inside a closure they come before the methods of the script. */
    static final Set<String> EVERY_OBJECT_HAS = DefaultGroovyMethods.methods.findAll {
        it.parameterTypes && it.parameterTypes[0] == Object
    }*.name as Set

    final Map tables
    final List<Problem> problems = []
    private Set<String> ownNames = []

    Checker(Map tables) {
        this.tables = tables
    }

    List<Problem> check(File file) {
        def unit = new CompilationUnit()
        unit.addSource(file)
        try {
            unit.compile(Phases.CONVERSION)
        } catch (MultipleCompilationErrorsException error) {
            return [new Problem(line: 0, says: error.message.readLines().find { it.contains('error') || it.contains('@') } ?: error.message)]
        }
        def module = unit.AST.modules[0]
        ownNames = module.methods*.name as Set
        module.methods.findAll { it.name in EVERY_OBJECT_HAS }.each {
            complain(it, "every object has a method `${it.name}`, and a closure calls that one: give it another name")
        }
        module.methods.each { checkSteps(it.code) }
        def top = module.statementBlock.statements.findAll { callOf(it) != null }
        def pipelines = top.findAll { callOf(it).methodAsString == 'pipeline' }
        if (pipelines.size() != 1) {
            complain(top ? top[0] : module.statementBlock, "one `pipeline` block is expected, there are ${pipelines.size()}")
        }
        pipelines.each { checkSection('pipeline', callOf(it), false) }
        problems
    }

    /** `top`: whether the section stands in the pipeline itself; a stage has fewer options. */
    private void checkSection(String kind, MethodCallExpression call, boolean inStage) {
        def table = tables.sections[kind]
        def block = blockOf(call)
        if (block == null) {
            if (kind != 'agent' || !(textOf(call) in ['none', 'any'])) {
                complain(call, "${kind} needs a block")
            }
            return
        }
        List<String> found = []
        block.code.statements.each { Statement statement ->
            def child = callOf(statement)
            if (child == null) {
                complain(statement, "a section of `${kind}` is expected here")
            } else if (!(child.objectExpression instanceof VariableExpression && child.objectExpression.thisExpression)) {
                complain(statement, "`${child.objectExpression.methodAsString}` and `${child.methodAsString}` stand on one line in `${kind}`: Jenkins reads that as one call")
            } else if (!(child.methodAsString in table.children)) {
                complain(statement, "`${kind}` has no `${child.methodAsString}`; it has ${table.children.join(', ')}")
            } else {
                found << child.methodAsString
                checkChild(kind, child, inStage)
            }
        }
        (table.required ?: []).findAll { !(it in found) }.each { complain(call, "`${kind}` lacks `${it}`") }
        found.countBy { it }.findAll { it.value > 1 && !(it.key in (table.repeats ?: [])) }.each { complain(call, "`${kind}` has `${it.key}` twice") }
        if (table.one_of && found.count { it in table.one_of } != 1) {
            complain(call, "a stage has one of ${table.one_of.join(', ')}")
        }
    }

    private void checkChild(String parent, MethodCallExpression child, boolean inStage) {
        String name = child.methodAsString
        boolean below = inStage || parent in ['stages', 'parallel', 'matrix']
        if (name == 'steps' || parent == 'post') {
            checkStepBlock(child)
        } else if (name == 'environment') {
            checkEnvironment(child)
        } else if (name == 'options') {
            checkSection(below ? 'stage options' : 'options', child, below)
        } else if (parent in ['options', 'stage options', 'parameters', 'triggers', 'when']) {
            checkSteps(child.arguments)
        } else if (tables.sections.containsKey(name)) {
            checkSection(name, child, below)
        }
    }

    private void checkEnvironment(MethodCallExpression call) {
        blockOf(call)?.code?.statements?.each { Statement statement ->
            if (!(statement instanceof ExpressionStatement && statement.expression instanceof BinaryExpression)) {
                complain(statement, 'environment holds lines like NAME = "value"')
            }
        }
    }

    /** In `steps` and in a condition of `post` stand calls alone; `script` may hold any Groovy. */
    private void checkStepBlock(MethodCallExpression call) {
        def block = blockOf(call)
        if (block == null) {
            complain(call, "`${call.methodAsString}` needs a block")
            return
        }
        block.code.statements.each { Statement statement ->
            def step = callOf(statement)
            if (step == null) {
                complain(statement, 'a step is expected here; other code belongs into `script`')
            } else if (!(step.objectExpression instanceof VariableExpression && step.objectExpression.thisExpression)) {
                complain(statement, "`${step.methodAsString}` is no step of its own: one step a line")
            }
        }
        if (!block.code.statements) {
            complain(call, "`${call.methodAsString}` is empty")
        }
        checkSteps(block.code)
    }

    private void checkSteps(node) {
        def checker = this
        node.visit(new CodeVisitorSupport() {
            @Override
            void visitMethodCallExpression(MethodCallExpression call) {
                checker.checkStep(call)
                super.visitMethodCallExpression(call)
            }
        })
    }

    private void checkStep(MethodCallExpression call) {
        String name = call.methodAsString
        if (!call.implicitThis || name in ownNames || name in ['body', 'call']) {
            return
        }
        List allowed = tables.steps[name]?.arguments ?: tables.symbols[name]
        if (allowed == null && !tables.steps.containsKey(name)) {
            complain(call, "there is no step `${name}`")
            return
        }
        named(call).findAll { !(it in (allowed ?: [])) }.each { complain(call, "`${name}` has no argument `${it}`; it has ${(allowed ?: []).join(', ')}") }
    }

    private static List<String> named(MethodCallExpression call) {
        def maps = call.arguments.expressions.findAll { it instanceof MapExpression }
        maps.collectMany { it.mapEntryExpressions }*.keyExpression*.text
    }

    private static MethodCallExpression callOf(Statement statement) {
        statement instanceof ExpressionStatement && statement.expression instanceof MethodCallExpression ? statement.expression : null
    }

    private static ClosureExpression blockOf(MethodCallExpression call) {
        def last = call.arguments.expressions ? call.arguments.expressions.last() : null
        last instanceof ClosureExpression ? last : null
    }

    private static String textOf(MethodCallExpression call) {
        call.arguments.expressions ? call.arguments.expressions[0].text : ''
    }

    private void complain(node, String says) {
        problems << new Problem(line: node.lineNumber, says: says)
    }
}
