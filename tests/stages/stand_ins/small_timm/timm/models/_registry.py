def register_model(entry):
    entry.registered = True
    return entry
