"""The face drawing: 51 ARKit blendshape weights to SVG and PNG; `head3d` is the 3-D head."""

from .face import blendshape_weights as blendshape_weights
from .face import draw_face as draw_face
from .images import face_grid as face_grid
from .images import face_strip as face_strip
from .images import render_png as render_png
from .images import save_image as save_image
from .rig import load_rig as load_rig
