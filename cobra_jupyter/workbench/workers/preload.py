"""Libraries that recipes commonly use. The warm server imports them once for all forked workers."""

import gc

import numpy  # noqa: F401
import pandas  # noqa: F401
import scipy.sparse  # noqa: F401
import sklearn.compose
import sklearn.ensemble
import sklearn.feature_extraction.text
import sklearn.impute
import sklearn.linear_model
import sklearn.model_selection
import sklearn.naive_bayes
import sklearn.neighbors
import sklearn.pipeline
import sklearn.preprocessing  # noqa: F401

gc.freeze()  # keeps these memory pages shared with the forked workers
