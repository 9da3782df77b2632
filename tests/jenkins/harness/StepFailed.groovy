/** A step that failed the way Jenkins' steps do: its message goes to the log, and the build fails. */
class StepFailed extends RuntimeException {
    StepFailed(String message) {
        super(message)
    }
}
