"""Square, its moves and their shapes."""

from .square import Square as Square
