"""Which names are names of metrics: decided by whole words, so that ``val_mae`` is one, and ``account`` is none."""

from __future__ import annotations

import re
from functools import lru_cache

METRIC_WORDS = frozenset(
    """
    loss losses logloss mlogloss nll kl kld elbo bce xent entropy crossentropy likelihood
    acc accuracy merror top1 top5 precision prec recall specificity sensitivity
    f1 f2 fscore f1score auc auroc prauc aupr auprc miou iou giou dice jaccard kappa mcc pck
    mae mse rmse msle rmsle mape smape r2 psnr ssim lpips fid
    lr gnorm gradnorm
    perplexity ppl bpc bpb bleu sacrebleu rouge rougel rougelsum meteor chrf wer cer
    ndcg mrr reward rewards rew score pearson spearman
    """.split()  # noqa: SIM905 - as a list, each word would have its own line
)
"""Words that make a name a metric, in lower case. A number at a word's end does not count: ``acc1``, ``rouge2``."""

AMBIGUOUS_WORDS = frozenset({"ap", "cost", "err", "error", "l1", "l2", "map"})
"""Metrics at the end of a longer name (``train error``), and alone with a fraction: ``cost= 1.2``, not ``Error: 5``."""

METRIC_PHRASES = (
    "learning rate",
    "error rate",
    "grad norm",
    "gradient norm",
    "exact match",
    "mean return",
    "episode return",
)
"""Words that are a metric only together."""

SETTING_WORDS = frozenset(
    """
    code codes count counts fn func function functions type types name names class classes scale scaler weight weights
    decay threshold thresh scheduler schedule steps epochs interval freq file files path dir id ids key mode
    time runtime seconds sec ms samples size sizes margin eps epsilon warmup gamma momentum coef coeff alpha beta lambda
    offset limit budget version
    """.split()  # noqa: SIM905 - as a list, each word would have its own line
)
"""Last words of the names of settings, files and times: ``Error code``, ``loss_weight``, ``score_time``."""

_SEPARATOR = re.compile(r"[^A-Za-z0-9]+")
_CAMEL_CASE_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_UNIT = re.compile(r"\([\w%@]*\)$")
"""``mAP50(B)``, ``Acc(%)``."""
_FILE_NAME = re.compile(r"\.[A-Za-z]\w{0,3}$")


@lru_cache(maxsize=4096)
def is_metric_name(name: str, *, has_fraction: bool = True) -> bool:
    """
    Return whether *name*, one or more words, is the name of a metric.

    :param has_fraction: whether its number has a fraction; many metrics do, and few error codes.
    """
    words = _words(name)
    if not words or words[-1] in SETTING_WORDS:
        return False
    if words[-1] in AMBIGUOUS_WORDS and (len(words) > 1 or has_fraction):
        return True
    if _FILE_NAME.search(name) and words[-1] not in METRIC_WORDS:
        return False
    joined = " ".join(words)
    return not METRIC_WORDS.isdisjoint(words) or any(phrase in joined for phrase in METRIC_PHRASES)


def _words(name: str) -> list[str]:
    """Return the words of *name* in lower case, without digits at their ends: of ``val_mAP50`` and of ``valLoss``."""
    found: list[str] = []
    for part in _SEPARATOR.split(_UNIT.sub("", name)):
        whole = part.lower()
        stem = whole.rstrip("0123456789")
        if whole in METRIC_WORDS or whole in AMBIGUOUS_WORDS:
            found.append(whole)
        elif stem in METRIC_WORDS or stem in AMBIGUOUS_WORDS:
            found.append(stem)
        else:
            found.extend(one.lower() for one in _CAMEL_CASE_PART.findall(part))
    return found
