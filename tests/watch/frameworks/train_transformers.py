import tempfile
import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

torch.manual_seed(0)
g = torch.Generator().manual_seed(0)
ids = torch.randint(5, 50, (800, 12), generator=g)
lab = (ids[:, 0] < 27).long()


class D(torch.utils.data.Dataset):
    def __init__(s, a, b):
        s.a, s.b = a, b

    def __len__(s):
        return s.b - s.a

    def __getitem__(s, i):
        return {"input_ids": ids[s.a + i], "labels": lab[s.a + i]}


m = BertForSequenceClassification(
    BertConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, num_labels=2
    )
)
t = Trainer(
    m,
    TrainingArguments(
        tempfile.mkdtemp(),
        num_train_epochs=6,
        per_device_train_batch_size=16,
        learning_rate=2e-3,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        save_strategy="no",
        eval_strategy="epoch",
    ),
    train_dataset=D(0, 600),
    eval_dataset=D(600, 800),
)
t.train()
print(t.evaluate()["eval_loss"])
