"""Pictures of recordings, kernels and filtered recordings, drawn with matplotlib: the only door to it.

    figures      pages, their style, and how they become files
    envelope     what is drawn of a long recording        trace      a recording and its outputs as they are filtered
    captions     names, units and times from attributes   bands      pass and stop bands of a response
    recordings   a page of channels                       filtered   the outputs over the recording
    kernels      taps, magnitude and group delay          targets    which of them an address gets

matplotlib is an extra, and imported when something is drawn. It needs no screen, and opens no window.
"""
