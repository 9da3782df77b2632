package org.jenkinsci.plugins.workflow.steps

/** What Jenkins throws into a block that is stopped, by a time-out or by a person. Its result replaces that of `catchError`. */
class FlowInterruptedException extends RuntimeException {
    String result = 'ABORTED'

    FlowInterruptedException(String message) {
        super(message)
    }
}
