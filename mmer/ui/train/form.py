"""The form of the Train tab: what an experiment is asked, and what a change of it changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from mmer.align import list_choices, title_choice
from mmer.choices.fusion_models import FUSION_MODELS
from mmer.choices.units import UNITS
from mmer.datasets.folds import VALIDATIONS
from mmer.encoders.presets import DEFAULT, PRESETS
from mmer.experiments.data_roots import NO_ROOTS
from mmer.experiments.experiment import PROTOCOL, SETTINGS, Setting, default_of
from mmer.experiments.settings import write_command
from mmer.experiments.training_service import TrainingService
from mmer.ui.texts import shared
from mmer.ui.texts import train as texts
from mmer.ui.train import cards as train_cards
from mmer.ui.train.cards import CHECK_FIRST, name_units

FIRST_UNITS = ["T", "F", "S"]  # of the paper's best late fusion


@dataclass
class Form:
    """The widgets of the form that describes an experiment."""

    fields: dict[str, Any]  # components by the names of FIELDS
    check: gr.Button
    report: gr.HTML
    estimate: gr.HTML
    name: gr.Textbox
    start: gr.Button
    command: gr.HTML


def build_form(service: TrainingService) -> Form:
    parts: dict[str, Any] = {"fields": {}}
    with gr.Row(elem_classes=["mm-page", "mm-train-page"], equal_height=False):
        with gr.Column(scale=4, min_width=300, elem_classes="mm-inputs-long"):
            gr.HTML(train_cards.write_closed(service.closed), visible=bool(service.closed))
            build_data(parts, service)
            build_model(parts)
            build_protocol(parts)
            build_settings(parts)
            build_start(parts, service)
        with gr.Column(scale=7, min_width=320, elem_classes="mm-results"):
            parts["report"] = gr.HTML(train_cards.write_empty(closed=bool(service.closed)), elem_id="data-report")
    return Form(**parts)


def build_data(parts: dict[str, Any], service: TrainingService) -> None:
    info = texts.DATA_SET_CLOSED
    if not service.closed:
        roots = ", ".join(str(root) for root in service.roots)
        info = texts.say_roots(roots) if roots else NO_ROOTS
    parts["fields"]["data"] = gr.Dropdown(
        [(data.title, str(data.path)) for data in service.list_data()],
        value=None,
        allow_custom_value=True,
        label=texts.DATA_SET,
        info=info,
        elem_id="data-set",
    )
    with gr.Row(elem_classes="mm-go"):
        parts["check"] = gr.Button(texts.CHECK, elem_id="check-data", interactive=not service.closed, min_width=120)
    with gr.Accordion(texts.LABELS_FOLD, open=False):
        parts["fields"]["labels"] = gr.Textbox(
            label=texts.LABELS,
            placeholder=texts.LABELS_EXAMPLE,
            info=texts.LABELS_HINT,
            max_length=2000,
        )
        parts["fields"]["classes"] = gr.Textbox(
            label=texts.CLASSES,
            placeholder=texts.CLASSES_EXAMPLE,
            info=texts.CLASSES_HINT,
            max_length=600,
        )


def build_model(parts: dict[str, Any]) -> None:
    fields = parts["fields"]
    fields["fusion"] = gr.Radio([(model.label, key) for key, model in FUSION_MODELS.items()], value="late", label=texts.MODEL)
    fields["unit"] = gr.Radio(name_units(tuple(UNITS)), value="F", label=texts.UNIT, visible=False, elem_id="unit-choice")
    fields["units"] = gr.CheckboxGroup(name_units(tuple(UNITS)), value=FIRST_UNITS, label=texts.UNITS, elem_id="units-choice")
    fields["preset"] = gr.Radio(
        [(f"{p.name} ({p.title}): {p.terms}", p.name) for p in PRESETS.values()], value=DEFAULT, label=texts.ENCODERS
    )


def build_protocol(parts: dict[str, Any]) -> None:
    with gr.Accordion(texts.PROTOCOL, open=False, elem_id="protocol"):
        with gr.Row(elem_classes="mm-numbers"):
            parts["fields"] |= {setting.name: build_number(setting) for setting in PROTOCOL}
        parts["fields"]["by"] = gr.Radio([(name, key) for key, name in texts.BY_NAMES.items()], value="auto", label=texts.FOLDS_OF)
        parts["fields"]["validation"] = gr.Radio(
            [(texts.VALIDATION_NAMES[key], key) for key in VALIDATIONS], value="random", label=texts.VALIDATION_BY
        )


def build_settings(parts: dict[str, Any]) -> None:
    with gr.Accordion(texts.SETTINGS, open=False, elem_id="train-settings"):
        with gr.Row(elem_classes="mm-numbers"):
            parts["fields"] |= {setting.name: build_number(setting) for setting in SETTINGS}
        parts["fields"]["aligner"] = gr.Radio(
            [(title_choice(key), key) for key in list_choices()],
            value="sphinx",
            label=shared.ALIGNER,
            info=texts.ALIGNER_HINT,
        )
        parts["fields"]["device"] = gr.Radio([(name, key) for key, name in texts.DEVICE_NAMES.items()], value="auto", label=texts.TRAIN_ON)


def build_number(setting: Setting) -> gr.Number:
    return gr.Number(
        value=default_of(setting),
        label=setting.title,
        info=setting.note,
        precision=0 if setting.whole else None,
        min_width=120,
        elem_id=f"set-{setting.name.replace('_', '-')}",
    )


def build_start(parts: dict[str, Any], service: TrainingService) -> None:
    parts["estimate"] = gr.HTML("" if service.closed else CHECK_FIRST, elem_id="estimate")
    parts["name"] = gr.Textbox(
        label=texts.NAME,
        placeholder=texts.NAME_DEFAULT,
        info=texts.NAME_HINT,
        max_length=80,
        elem_id="run-name",
        visible=not service.closed,
    )
    parts["start"] = gr.Button(texts.START, variant="primary", interactive=False, elem_id="start-run", visible=not service.closed)
    with gr.Accordion(shared.SHELL, open=bool(service.closed)):
        command = write_command(service.describe_form({"units": FIRST_UNITS}))
        parts["command"] = gr.HTML(train_cards.write_code(command), elem_id="shell-command")
