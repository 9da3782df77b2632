/** What Jenkins would refuse a Jenkinsfile for, with the line. */
class Problem {
    int line
    String says

    String toString() {
        "line ${line}: ${says}"
    }
}
