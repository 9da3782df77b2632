import java.util.regex.Pattern

/** Files by Ant's patterns, as `stash` and `archiveArtifacts` take them: `a/**, *.json`. */
class Globs {
    static List<String> matching(File folder, String includes, String excludes = '') {
        def wanted = patterns(includes ?: '**'), unwanted = patterns(excludes ?: '')
        List<String> found = []
        if (folder.directory) {
            folder.eachFileRecurse(groovy.io.FileType.FILES) { file ->
                String name = folder.toPath().relativize(file.toPath()).toString()
                if (wanted.any { name ==~ it } && !unwanted.any { name ==~ it }) {
                    found << name
                }
            }
        }
        found.sort()
    }

    private static List<String> patterns(String text) {
        text.split(',')*.trim().findAll { it }.collect { one ->
            one.replaceAll(/\*\*\/|\*\*|\*|\?|[^*?]+/) { part ->
                ['**/': '(?:.*/)?', '**': '.*', '*': '[^/]*', '?': '[^/]'][part] ?: Pattern.quote(part)
            }
        }
    }
}
