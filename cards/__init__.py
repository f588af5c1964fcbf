"""Dataset and model cards: templates, and their rendering from plain dictionaries of figures."""

from .render import (
    read_training_facts,
    render_dataset_card,
    render_model_card,
    write_model_card,
)

__all__ = ["read_training_facts", "render_dataset_card", "render_model_card", "write_model_card"]
