"""A layer as data, without files and without computing it.

In the order of reading:

    spec          LayerSpec and Weights, checked when they are made
    keys          the names of a layer's settings, in groups
    geometry      lengths and padding, as integers
    axes          in which order batch, steps and channels stand
    arguments     arguments of public functions, converted or refused
    registry/     catalogues in general: names, arguments, and the forms in which a choice is written
    catalogues/   activations, initializers, designs of filters, regularizers and constraints
    config        layers to and from Keras's configs
    dtype_policy  Keras's dtype policies
    keras_models  layers in the config of a model
    keras_json    JSON, read with limits
"""
