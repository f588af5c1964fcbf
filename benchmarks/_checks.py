"""Inequalities on blendshapes, as the prompt files write them: ``browDown > browOuterUp + 0.1``.

A check compares sums with ``>``, ``>=``, ``<`` or ``<=`` (several in a row as in mathematics). A
sum has numbers, numbers times a term, shapes, and ``mean``, ``max``, ``min`` or ``sum`` of shapes.
A shape is one of the 51 (``eyeBlinkLeft``), or the common name of one on the left and one on the
right (``eyeBlink``), which stands for the mean of both, or inside a function for both. ``all``,
``left`` and ``right``, which stand inside functions only, are all the shapes and those of one side.

The text is parsed to a tree of which a few kinds of nodes are accepted; nothing is ever evaluated
as code.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countenance import load_mapping
from countenance.errors import TableError

Faces = NDArray[np.float32]
Values = NDArray[np.float64]

SHAPES: tuple[str, ...] = load_mapping("v1").blendshapes
FUNCTIONS: dict[str, Callable[..., Values]] = {
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
    "sum": np.sum,
}
_SHIFTS = ("jaw", "mouth")  # jawLeft and jawRight are two ways to go, not two sides of one movement
_COMPARE: dict[type[ast.cmpop], Callable[..., NDArray[np.bool_]]] = {
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
}
_COMBINE: dict[type[ast.operator], Callable[..., Values]] = {ast.Add: np.add, ast.Sub: np.subtract}


@dataclass(frozen=True)
class Expression:
    """A sum of numbers and shapes.

    Attributes:
        text: As it was written.
        tree: Its accepted syntax tree.
    """

    text: str
    tree: ast.expr

    def __call__(self, faces: Faces) -> Values:
        """Its value for each face, (n,), of faces (n, 51)."""
        values = _value(self.tree, np.asarray(faces, dtype=np.float64), self.text)
        return np.broadcast_to(values, (len(faces),)).astype(np.float64)


@dataclass(frozen=True)
class Check:
    """An inequality, or several in a row.

    Attributes:
        text: As it was written.
        sides: The sums, from left to right.
        operators: What stands between them, one fewer.
    """

    text: str
    sides: tuple[Expression, ...]
    operators: tuple[type[ast.cmpop], ...]

    def holds(self, faces: Faces) -> NDArray[np.bool_]:
        """Whether it holds for each face, (n,), of faces (n, 51)."""
        values = [side(faces) for side in self.sides]
        parts = [
            _COMPARE[operator](first, second)
            for operator, first, second in zip(self.operators, values, values[1:], strict=False)
        ]
        return np.logical_and.reduce(parts)

    def explain(self, face: Faces) -> str:
        """The values of its sums for one face (51,), in the order of the text."""
        values = ", ".join(f"{side(face[None])[0]:.2f}" for side in self.sides)
        return f"{self.text} ({values})"


def parse_expression(text: str) -> Expression:
    """Read a sum of shapes.

    Raises:
        TableError: It is none; the message quotes the text and the part that is not understood.
    """
    return _checked(text, _tree(text))


def parse_check(text: str) -> Check:
    """Read a check.

    Raises:
        TableError: It is none; the message quotes the text and the part that is not understood.
    """
    tree = _tree(text)
    if not isinstance(tree, ast.Compare):
        raise TableError(f"check {text!r}: compares nothing; write for example 'jawOpen > 0.3'")
    operators = tuple(type(operator) for operator in tree.ops)
    for operator in operators:
        if operator not in _COMPARE:
            raise TableError(f"check {text!r}: compare with >, >=, < or <= only")
    sides = tuple(_checked(text, side) for side in (tree.left, *tree.comparators))
    return Check(text, sides, operators)


def columns(name: str) -> list[int]:
    """Columns of the shapes that a name inside a function stands for; empty for an unknown name."""
    if name in SHAPES:
        return [SHAPES.index(name)]
    if name in ("left", "right"):
        return [i for i, shape in enumerate(SHAPES) if shape.endswith(name.capitalize())]
    if name == "all":
        return list(range(len(SHAPES)))
    sides = (f"{name}Left", f"{name}Right")
    is_pair = set(sides) <= set(SHAPES) and name not in _SHIFTS
    return [SHAPES.index(side) for side in sides] if is_pair else []


def _tree(text: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise TableError(f"check {text!r}: cannot be read ({error.args[0]})") from error


def _checked(text: str, tree: ast.expr) -> Expression:
    _value(tree, np.zeros((1, len(SHAPES))), text)  # meets every node, so that a bad one shows here
    return Expression(text, tree)


def _value(node: ast.expr, faces: Values, text: str) -> Values:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return np.float64(number) * np.ones(1)
        case ast.Name(id=name) if columns(name) and name not in ("all", "left", "right"):
            return faces[:, columns(name)].mean(axis=1)
        case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]) if (
            function in FUNCTIONS and arguments
        ):
            return FUNCTIONS[function](faces[:, _argument_columns(arguments, text)], axis=1)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _COMBINE:
            combine = _COMBINE[type(operator)]
            return combine(_value(left, faces, text), _value(right, faces, text))
        case ast.BinOp(left=ast.Constant() as factor, op=ast.Mult(), right=right):
            return _value(factor, faces, text) * _value(right, faces, text)
    raise TableError(
        f"check {text!r}: {ast.unparse(node)!r} is not understood; write shapes, numbers, + and -, "
        f"a number * a shape, and {', '.join(FUNCTIONS)} of shapes"
    )


def _argument_columns(arguments: Sequence[ast.expr], text: str) -> list[int]:
    found: list[int] = []
    for argument in arguments:
        more = columns(argument.id) if isinstance(argument, ast.Name) else []
        if not more:
            raise TableError(f"check {text!r}: {ast.unparse(argument)!r} is no blendshape")
        found += more
    return found
