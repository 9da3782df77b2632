/** `env`: what was assigned holds for the whole build, what a block or a stage sets while it lasts. */
class Environment {
    private final Map<String, String> assigned = [:]
    private final List<Map<String, String>> layers = []

    boolean has(String name) {
        all().containsKey(name)
    }

    Map<String, String> all() {
        (layers.inject(new LinkedHashMap(assigned)) { sum, layer -> sum << layer }) as Map<String, String>
    }

    def during(Map<String, String> layer, Closure body) {
        layers << layer
        try {
            body()
        } finally {
            layers.remove(layers.size() - 1)
        }
    }

    @Override
    Object getProperty(String name) {
        all()[name]
    }

    @Override
    void setProperty(String name, Object value) {
        assigned[name] = value as String
    }
}
