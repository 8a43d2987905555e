"""Very popular packages, to see when somebody's finger slipped: a name one letter away from one of them.

By normalised name (PEP 503). The list is for warnings only: a package that is not in it is as good as any other. Real
packages that happen to lie one letter away from a popular one are in it too, so that they are left in peace.
"""

from functools import lru_cache
from typing import Final

_NAMES: Final = """
absl-py accelerate aioboto3 aiobotocore aiofiles aiohttp aiokafka aiosqlite airflow alembic altair annotated-types
anthropic anyio anyio2 apache-airflow apache-beam apache-flink appdirs apscheduler argcomplete argon2-cffi arrow
asgiref asn1crypto astor astropy asyncpg attrs authlib avro azure-core azure-identity azure-storage-blob babel backoff
backports-zoneinfo bandit bcrypt beautifulsoup4 biopython black bleach blinker bokeh boto3 botocore bottle bs4
cachetools catboost celery certifi cffi chardet charset-normalizer cherrypy chromadb clickhouse-connect
clickhouse-driver cloudpathlib cloudpickle colorama confluent-kafka coverage crcmod cryptography cupy cvxpy cycler
cython dask databricks-sdk dataclasses-json datadog datasets dateparser dbt-core debugpy decorator deepdiff deepspeed
defusedxml deltalake diffusers dill distlib distributed django django-cors-headers django-filter djangorestframework
dnspython docker docopt docstring-parser docutils duckdb dulwich einops elastic-transport elasticsearch emcee evaluate
exceptiongroup executing fastai fastapi fastavro fastparquet faust faust-streaming feast filelock fire flake8 flasgger
flask flask-cors flask-sqlalchemy flaskr flatbuffers folium fonttools frozenlist fsspec future futures gensim geopandas gevent
gitpython google-api-core google-auth google-cloud-bigquery google-cloud-storage googleapis-common-protos gql gradio
graphene graphviz great-expectations greenlet grpcio grpcio-status grpcio-tools gspread gunicorn h11 h5py hatchling
holoviews html5lib httpcore httpie httplib2 httptools httpx huggingface-hub hvplot hydra-core hypothesis identify idna
imageio imbalanced-learn importlib-metadata importlib-resources influxdb iniconfig ipykernel ipython ipywidgets
isodate isort itsdangerous jax jaxlib jaxtyping jedi jinja2 jmespath joblib json5 jsonlines jsonpatch jsonpath-ng
jsonpickle jsonpointer jsonschema jupyter jupyter-client jupyter-core jupyterhub jupyterlab jwcrypto kafka-python
kaggle keras keyring keyrings kfp kfpl kiwisolver kombu kubernetes kubernetes-asyncio langchain langgraph lark
lightgbm lightning litellm llvmlite loguru lxml lz4 mako markdown markdown-it-py markupsafe marshmallow matplotlib
matplotlib-inline mccabe mdurl mlflow mock more-itertools moto mpmath msal msgpack msgspec multidict multiprocess mypy
mypy-extensions mysql-connector-python mysqlclient nbclient nbconvert nbdime nbformat neo4j nest-asyncio networkx
nibabel nltk notebook numba numcodecs numexpr numpy oauthlib omegaconf onnx onnxruntime openai opencv-python
opencv-python-headless openpyxl opensearch-py opentelemetry-api opentelemetry-sdk optuna orjson packaging pandas
pandas-gbq pandera papermill paramiko parso passlib pathlib2 pathspec patsy peewee pendulum pexpect pika pillow pip
pip-tools platformdirs plotly plotnine pluggy poetry polars prefect presto-client prometheus-client prompt-toolkit
propcache protobuf psutil psycopg psycopg2 psycopg2-binary ptyprocess pulp pure-eval py4j pyarrow pyasn pyasn1
pybind11 pycparser pycrypto pycryptodome pycurl pydantic pydantic-core pydantic-settings pydantic2 pydeck pydot
pyflakes pygithub pygments pyiceberg pyinstaller pyjwt pyjwt2 pylint pymc pymongo pymssql pymysql pynacl pyodbc
pyopenssl pyparsing pypdf pypdf2 pypdf3 pypdf4 pyproj pyright pyspark pytables pytest pytest-asyncio pytest-cov
pytest-mock pytest-xdist python-dateutil python-docx python-dotenv python-jose python-multipart python-slugify
pytorch-lightning pytz pywavelets pywebview pyyaml pyzmq qdrant-client rasterio ratelimit ray redis redis-py rediss
referencing regex reportlab requests requests-cache requests-oauthlib requests-toolbelt requests2 rich rpds-py rsa
ruff s3fs s3transfer sacremoses safetensors sagemaker scikit-image scikit-learn scipy scrapy seaborn selenium
sentence-transformers sentencepiece sentry-sdk setuptools setuptools-scm shap shapely shellingham simplejson six
slack-sdk smart-open sniffio snowflake-connector-python snowflake-sqlalchemy sortedcontainers soupsieve spacy sphinx
sqlalchemy sqlglot sqlmodel sqlparse starlette statsmodels streamlit structlog sympy tables tabulate tenacity
tensorboard tensorflow tensorflow-probability termcolor textblob threadpoolctl tiktoken timm tokenizers toml tomli
tomlkit toolz torch torchaudio torchdata torchmetrics torchtext torchvision torchx tornado tqdm traitlets transformers
trino trio trlib twine typeguard typer typing-extensions typish tzdata tzlocal ujson umap-learn urllib3 uvicorn uvloop
virtualenv wandb watchdog watchfiles wcwidth weasyprint websocket-client websockets werkzeug wheel wrapt xarray
xgboost xlrd xlsxwriter xlwt xmltodict xxhash yarl zarr zeep zipp zstandard
"""
POPULAR: Final = frozenset(_NAMES.split())
_SHORTEST: Final = 5  # letters: shorter names have too many neighbours that are real


def near_miss(name: str) -> str | None:
    """The popular package that `name` (normalised) misses by one letter; None where it is one, or misses them all.

    One letter: one too many, one too few, one wrong, or two swapped (Damerau's measure).
    """
    if len(name) < _SHORTEST or len(name) > 64 or name in POPULAR:
        return None
    starts, ends = _by_ends()
    candidates = (*starts.get(name[:2], ()), *ends.get(name[-2:], ()))
    near = [one for one in candidates if -2 < len(one) - len(name) < 2 and _one_apart(name, one)]
    return min(near, default=None)


@lru_cache(maxsize=1)
def _by_ends() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The names by their first two and by their last two letters: of five letters or more, one slip spares either."""
    starts: dict[str, list[str]] = {}
    ends: dict[str, list[str]] = {}
    for candidate in POPULAR:
        if len(candidate) >= _SHORTEST:
            starts.setdefault(candidate[:2], []).append(candidate)
            ends.setdefault(candidate[-2:], []).append(candidate)
    return starts, ends


def _one_apart(one: str, other: str) -> bool:
    """Whether one letter lies between two names whose lengths differ by one at the most."""
    if len(one) > len(other):
        one, other = other, one
    start = next((index for index, letter in enumerate(one) if letter != other[index]), len(one))
    if len(one) < len(other):
        return one[start:] == other[start + 1 :]
    swapped = one[start : start + 2] == other[start : start + 2][::-1] and one[start + 2 :] == other[start + 2 :]
    return swapped or one[start + 1 :] == other[start + 1 :]
