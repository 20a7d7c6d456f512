"""One file per container format; `core/pixels.py` picks one by the content of the file.

Each of them reads the container itself, as far as size, frames, orientation and completeness go, and hands
only what decides the pixels to Pillow or simplejpeg. So broken metadata never costs a picture, nothing warns,
and a picture's size is known before any of it is unpacked.
"""
