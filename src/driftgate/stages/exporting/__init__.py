"""From a module to an ONNX file: two exporters, one way of naming, checking and saving what they make."""
