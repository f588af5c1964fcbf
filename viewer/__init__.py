"""The drawn face and the 3-D head: 51 ARKit blendshape weights to SVG, PNG and GLB."""

from .face import blendshape_weights as blendshape_weights
from .face import draw_face as draw_face
from .head3d import HeadMesh as HeadMesh
from .head3d import head_mesh as head_mesh
from .head3d import pose_head as pose_head
from .head3d import write_head_glb as write_head_glb
from .images import face_grid as face_grid
from .images import face_strip as face_strip
from .images import render_png as render_png
from .images import save_image as save_image
from .rig import load_rig as load_rig
