# The image of every qualm process: worker, simulated producer, command line.
#
# torch comes with CUDA libraries by default. For the much smaller CPU build, pass the CPU wheel index that
# pytorch.org names under "Get started":
#   docker compose build --build-arg PIP_EXTRA_INDEX_URL=<that index>
FROM python:3.11-slim

ARG PIP_EXTRA_INDEX_URL=""
ENV PYTHONUNBUFFERED=1

# Nothing qualm does needs root.
RUN useradd --uid 10001 --create-home qualm

WORKDIR /src
COPY pyproject.toml constraints.txt README.md ./
COPY schemas ./schemas
COPY models ./models
COPY agents ./agents
RUN pip install --no-cache-dir --constraint constraints.txt .

USER qualm
WORKDIR /home/qualm
# Compiled numerical code is kept where this user may write.
ENV NUMBA_CACHE_DIR=/home/qualm/.cache/numba
EXPOSE 9464
ENTRYPOINT ["qualm"]
CMD ["worker"]
