"""The suffixes of the image formats that the program reads.

Pillow knows them only after it has imported all of its 45 formats, which takes 30 ms.
"""

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".tif", ".tiff", ".bmp"),
    *(".pbm", ".pgm", ".ppm", ".pnm", ".pfm", ".avif", ".avifs"),
    *(".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c", ".ico", ".icns", ".qoi", ".dds", ".pcx"),
    *(".bw", ".rgb", ".rgba", ".sgi", ".tga", ".icb", ".vda", ".vst"),
    *(".heic", ".heif", ".hif"),
)
