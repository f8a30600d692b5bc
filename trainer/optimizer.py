"""Adam with Gopher's schedule.

What is known of Gopher's (arXiv:2112.11446, section 3.2, as its successors quote it): Adam, warm-up from 1e-7 over
1,500 steps, cosine decay by a factor of 10, clipping by global norm. Not known: betas, epsilon and weight decay. The
betas and epsilon here are those of RETRO's Wikitext103 run (arXiv:2112.04426); there is no weight decay, since AdamW
came to this family only with Chinchilla.
"""

from __future__ import annotations

from functools import lru_cache

import optax

from pipeline.config import TrainConfig

BETA1, BETA2, EPSILON = 0.9, 0.95, 1e-8
FIRST_LEARNING_RATE = 1e-7


def learning_rate_schedule(config: TrainConfig) -> optax.Schedule:
    """Linear warm-up, then half a cosine down to ``final_learning_rate_fraction`` of the maximum at ``steps``.

    Returns:
        Function of the number of updates done before this one.
    """
    decay = optax.cosine_decay_schedule(
        config.learning_rate, config.steps - config.warmup_steps, alpha=config.final_learning_rate_fraction
    )
    if config.warmup_steps == 0:
        return decay
    warmup = optax.linear_schedule(FIRST_LEARNING_RATE, config.learning_rate, config.warmup_steps)
    return optax.join_schedules([warmup, decay], [config.warmup_steps])


@lru_cache
def gopher_optimizer(config: TrainConfig) -> optax.GradientTransformation:
    """Clip by global norm, Adam, schedule; moments are kept in the parameters' type, float32.

    Equal configurations get one object, and so share compiled steps.
    """
    return optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.scale_by_adam(b1=BETA1, b2=BETA2, eps=EPSILON),
        optax.scale_by_learning_rate(learning_rate_schedule(config)),
    )
