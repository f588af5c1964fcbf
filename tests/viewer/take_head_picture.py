"""Render the gallery's faces on the 3-D head into one captioned picture (not a test).

python tests/viewer/take_head_picture.py docs/images/head3d.png
"""

import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from countenance.viewer.gallery import load_gallery
from countenance.viewer.head_raster import head_picture

SIZE, COLUMNS, CAPTION = 190, 3, 24
PAPER, INK = (255, 250, 243), (50, 36, 44)


def cell(caption, weights):
    views = [head_picture(weights, turn=turn, size=SIZE) for turn in (0.0, -35.0)]
    image = Image.new("RGB", (2 * SIZE, SIZE + CAPTION), PAPER)
    image.paste(Image.fromarray(np.concatenate(views, axis=1)))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(15)
    draw.text((SIZE, SIZE + CAPTION / 2), caption, INK, font=font, anchor="mm")
    return image


def main(path):
    cells = [cell(caption, weights) for caption, weights in load_gallery().items()]
    gap = 8
    wide, tall = cells[0].width + gap, cells[0].height + gap
    rows = -(-len(cells) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * wide + gap, rows * tall + gap), PAPER)
    for index, image in enumerate(cells):
        sheet.paste(image, (gap + index % COLUMNS * wide, gap + index // COLUMNS * tall))
    sheet.quantize(256, kmeans=1, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])
