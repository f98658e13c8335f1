"""Keras callbacks for defended training."""

from .defense_schedule import DefenseSchedule as DefenseSchedule
