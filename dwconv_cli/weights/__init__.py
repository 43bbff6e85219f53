"""Which layer, with which weights: from options, configs and files.

In the order of reading:

    recipe          Recipe: where layer and weights come from, resolved against data
    layer_settings  what options, configs and defaults say of the layer, and which of them says it
    load            LoadedWeights: a kernel and a bias as a file holds them
    chosen_layer    which layer of a Keras file is meant
    keras_files/    Keras's own formats
    fresh           weights from initializers, and under constraints
    designed        kernels that are typed: filter designs and taps
    resolved        Resolved: a layer and weights that fit each other
    save            weights into files
"""
