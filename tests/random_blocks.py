"""All kinds of blocks of random modules. A new kind is one function, and one entry of a table."""

from random_frames import FRAMES
from random_images import IMAGES
from random_kinds import Kind
from random_sequences import SEQUENCES
from random_steps import STEPS
from random_strides import STRIDES

TABLES = (FRAMES, SEQUENCES, IMAGES, STRIDES, STEPS)
"""Each table is drawn as often as any other."""
BLOCKS: dict[str, Kind] = {name: kind for table in TABLES for name, kind in table.items()}
