# A server that reads faces: CPU, no torch, not root, nothing to write to.
#   docker build -t mien .
#   docker run --rm --read-only --cap-drop ALL --security-opt no-new-privileges \
#       -e MIEN_TOKEN=some-long-secret-word -p 127.0.0.1:8000:8000 mien
FROM python:3.12-slim AS build
WORKDIR /src
COPY . .
RUN docker/install.sh /opt/mien

FROM python:3.12-slim
# Of Python's own modules the image has no bytecode, and nothing may write it: each start would compile them.
RUN python -m compileall -q -x site-packages "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin mien
COPY --from=build /opt/mien /opt/mien
COPY docker/healthy.py /opt/healthy.py
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/opt/mien/bin/python", "/opt/healthy.py"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/mien/bin/mien", "serve", "--host", "0.0.0.0"]
