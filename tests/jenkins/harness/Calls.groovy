/** What a block calls, one after the other: [[name, arguments], …]. Other names are looked up where the block was written. */
class Calls {
    List<List> found = []

    def methodMissing(String name, args) {
        found << [name, args as List]
        name
    }

    def propertyMissing(String name) {
        if (name in ['none', 'any']) {
            return name
        }
        throw new MissingPropertyException(name, Calls)
    }
}
