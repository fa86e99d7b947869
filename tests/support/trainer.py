"""One of several training processes: trains a stage in FOLDER and prints a hash of the weights."""

import hashlib
import sys
from pathlib import Path

import torch
from transformers import VipLlavaForConditionalGeneration

from tests.support.small_training import shallow_config, short_recipe
from training.architecture import make_tokenizer
from training.dataset import tokenizer_texts
from training.model import TrainingModel
from training.stage_training import train_stage

torch.set_num_threads(1)
torch.manual_seed(0)
recipe = short_recipe().override({"batch_size": 6}, "vision_tower")
tokenizer = make_tokenizer(tokenizer_texts(2))
training_model = TrainingModel(VipLlavaForConditionalGeneration(shallow_config()), tokenizer)
weights = train_stage(
    training_model, tokenizer, recipe.stage("vision_tower"), recipe, Path(sys.argv[1]), workers=0
)
digest = hashlib.sha256()
for name in sorted(weights):
    digest.update(weights[name].numpy().tobytes())
sys.stdout.write(f"weights {digest.hexdigest()}\n")
