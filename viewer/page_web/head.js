// The 3-D head: takes the weights that the page around this frame shows, and poses a glTF head.
import * as THREE from "./three/build/three.module.js";
import { GLTFLoader } from "./three/examples/jsm/loaders/GLTFLoader.js";

const canvas = document.querySelector("#view");
const said = document.querySelector("#said");
const turn = document.querySelector("#turn");
const scene = new THREE.Scene();
const camera = new THREE.PerspectiveCamera(24, 1, 0.01, 100);
const pivot = new THREE.Group();
scene.add(pivot, new THREE.HemisphereLight(0xffffff, 0x8a7a70, 1.6));
const key = new THREE.DirectionalLight(0xfff4e8, 2.2);
key.position.set(0.6, 0.9, 1.2);
scene.add(key);
let renderer, drawing = false;
const targets = []; // [influences, index of the target, index of the shape]

function draw() {
  drawing = false;
  pivot.rotation.y = (turn.valueAsNumber * Math.PI) / 180;
  renderer.render(scene, camera);
  document.body.dataset.drawn = document.body.dataset.posed ?? "";
}

function redraw() {
  if (renderer && !drawing) { drawing = true; requestAnimationFrame(draw); }
}

function fit() {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return;
  renderer.setSize(width, height, false);
  camera.aspect = width / height;
  camera.updateProjectionMatrix();
  redraw();
}

function pose() {
  const face = window.parent.document.querySelector("#face");
  if (!face || !face.dataset.weights) return;
  const weights = face.dataset.weights.split(" ").map(Number);
  for (const [influences, index, shape] of targets) influences[index] = weights[shape] || 0;
  document.body.dataset.posed = face.dataset.weights;
  redraw();
}

// The box round all points that some shape moves: the face, whatever body hangs below it.
function faceBox(head) {
  const box = new THREE.Box3(), point = new THREE.Vector3();
  head.updateWorldMatrix(true, true);
  head.traverse((mesh) => {
    const moves = mesh.geometry?.morphAttributes?.position ?? [];
    const rest = mesh.geometry?.attributes?.position;
    for (let i = 0; moves.length && i < rest.count; i++) {
      if (moves.some((m) => Math.abs(m.getX(i)) + Math.abs(m.getY(i)) + Math.abs(m.getZ(i)) > 0)) {
        box.expandByPoint(point.fromBufferAttribute(rest, i).applyMatrix4(mesh.matrixWorld));
      }
    }
  });
  return box.isEmpty() ? box.setFromObject(head) : box;
}

function place(head) {
  const box = faceBox(head);
  const size = box.getSize(new THREE.Vector3()), middle = box.getCenter(new THREE.Vector3());
  head.position.sub(middle);
  head.position.y -= size.y * 0.12; // room for the hair
  pivot.add(head);
  const reach = Math.max(size.y, size.x) * 0.95;
  camera.position.set(0, 0, reach / Math.tan((camera.fov * Math.PI) / 360) + size.z / 2);
  camera.near = reach / 50;
  camera.far = reach * 50;
}

async function start() {
  try {
    renderer = new THREE.WebGLRenderer({ canvas, antialias: true, alpha: true });
  } catch {
    said.textContent = "This browser has no WebGL; the drawn face alone is shown.";
    return;
  }
  renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
  const { names, shapes } = await (await fetch("head.json")).json();
  const { scene: head } = await new GLTFLoader().loadAsync("head.glb");
  head.traverse((mesh) => {
    for (const [name, index] of Object.entries(mesh.morphTargetDictionary ?? {})) {
      const shape = names.indexOf(Object.hasOwn(shapes, name) ? shapes[name] : "");
      if (shape >= 0) targets.push([mesh.morphTargetInfluences, index, shape]);
    }
  });
  place(head);
  said.textContent = "";
  new ResizeObserver(fit).observe(canvas);
  turn.addEventListener("input", redraw);
  const page = window.parent.document.body;
  new MutationObserver(pose).observe(page, {
    subtree: true, childList: true, attributes: true, attributeFilter: ["data-weights"],
  });
  pose();
}

start().catch((error) => { said.textContent = `The head cannot be shown: ${error.message}`; });
