"""One of several trainers: `FOLDER` trains a stage of two steps there, and prints what it has learned."""

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import torch
from transformers import VipLlavaForConditionalGeneration

from tests.training.test_training import shallow_config, short_recipe
from training.architecture import make_tokenizer
from training.model import TrainingModel
from training.train import tokenizer_texts, train_stage

torch.set_num_threads(1)
torch.manual_seed(0)
recipe = short_recipe()
recipe = replace(recipe, seeing=replace(recipe.seeing, batch=6))
tokenizer = make_tokenizer(tokenizer_texts(2))
training_model = TrainingModel(VipLlavaForConditionalGeneration(shallow_config()), tokenizer)
learned = train_stage(
    training_model, tokenizer, recipe.seeing, recipe, Path(sys.argv[1]), workers=0
)
said = hashlib.sha256()
for name in sorted(learned):
    said.update(learned[name].numpy().tobytes())
sys.stdout.write(f"learned {said.hexdigest()}\n")
