"""The last scores of clips on one runtime, in whatever environment runs this: answers.py MODEL CLIPS.npz OUT.npy."""

import sys

import numpy as np

import edgernn


def main(model, clips, out):
    stream, frames = edgernn.open(model).stream(), np.load(clips)
    np.save(out, [stream.reset().run(frames[name])[-1] for name in frames.files])


main(*sys.argv[1:])
