"""Every data format babysit reads, as one `Dataset`."""

from babysit.data.dataset import Dataset as Dataset
from babysit.data.dataset import Splits as Splits
from babysit.data.describe import DataSummary as DataSummary
from babysit.data.describe import describe as describe
from babysit.data.options import ReadOptions as ReadOptions
from babysit.data.read import read as read
from babysit.data.read import read_for_prediction as read_for_prediction
from babysit.data.schema import InputSchema as InputSchema
from babysit.data.schema import PredictionInputs as PredictionInputs
from babysit.data.splits import split as split
from babysit.data.table_schema import Column as Column
from babysit.data.table_schema import TableSchema as TableSchema
