# The one image of Wheelwarden: webhook, controller, command line, and the tools that an init container copies into pods.
#
#   docker build -t wheelwarden:dev .
#
# BASE is any image with python3 (3.11 or later), its venv module, pip and coreutils. All downloads are checked against
# the hashes in requirements/. No C code is compiled, and the last stage contains no build tools.
ARG BASE=python:3.13-slim

FROM ${BASE} AS tools
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements/tools.txt /src/requirements/tools.txt
# uv as a static musl binary: it must run in the workloads' images with any libc. `uname -m` is the architecture of the
# image, also if the builder does not set TARGETARCH.
RUN python3 -m pip install --require-hashes --no-deps --only-binary=:all: --platform "musllinux_1_1_$(uname -m)" \
      --target /src/site --requirement /src/requirements/tools.txt \
 && install -D --mode=0755 /src/site/bin/uv /opt/wheelwarden/tools/uv \
 && rm -r /src/site \
 && /opt/wheelwarden/tools/uv --version

FROM ${BASE} AS dependencies
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements/build.txt /src/requirements/build.txt
RUN python3 -m venv /src/build \
 && /src/build/bin/python -m pip install --no-compile --require-hashes --requirement /src/requirements/build.txt
COPY requirements/runtime.txt /src/requirements/runtime.txt
# Bytecode is compiled here once; the running container neither checks nor writes it. For the libraries it has no docstrings,
# which saves 14 MB of memory in each of our pods, mostly those of the Kubernetes client.
RUN python3 -m venv --without-pip /opt/wheelwarden/venv \
 && /src/build/bin/python -m pip --python /opt/wheelwarden/venv/bin/python install --no-compile --only-binary=:all: \
      --require-hashes --requirement /src/requirements/runtime.txt \
 && python3 -m compileall -q -j 0 -o 2 --invalidation-mode unchecked-hash /opt/wheelwarden/venv/lib \
 && python3 -c 'import pathlib; [path.rename(str(path).replace(".opt-2.", ".")) for path in pathlib.Path("/opt/wheelwarden/venv/lib").rglob("*.opt-2.pyc")]'

FROM dependencies AS build
# The whole build context: .dockerignore limits it to the project and its locks.
COPY . /src/project
RUN cd /src/project \
 && /src/build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /src/wheels . \
 && /src/build/bin/python -m pip --python /opt/wheelwarden/venv/bin/python install --no-compile --no-deps --no-index \
      /src/wheels/*.whl \
 && python3 -m compileall -q --invalidation-mode unchecked-hash \
      $(for name in wheelwarden webhook controller certs; do echo /opt/wheelwarden/venv/lib/python3*/site-packages/$name; done) \
 && mkdir -p /opt/wheelwarden/tools \
 && /opt/wheelwarden/venv/bin/python -m wheelwarden.payload install > /opt/wheelwarden/tools/install.py \
 && chmod 0644 /opt/wheelwarden/tools/install.py

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Wheelwarden" \
      org.opencontainers.image.description="Guards Python packages on Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/wheelwarden/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/opt/wheelwarden \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /opt/wheelwarden
# Numeric, so that the kubelet can check `runAsNonRoot`.
USER 65532:65532
CMD ["wheelwarden", "--help"]
COPY --from=tools /opt/wheelwarden/tools/uv /opt/wheelwarden/tools/uv
COPY --from=build /opt/wheelwarden/tools/install.py /opt/wheelwarden/tools/install.py
COPY --from=build /opt/wheelwarden/venv /opt/wheelwarden/venv
