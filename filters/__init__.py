from pathlib import Path

from filters.kernel_cache import use_kernel_cache

use_kernel_cache(Path(__file__).parent)  # before a module imports Numba
