# Driftgate in a container; docs/containers.md says how it is built and run by hand.
#
#     docker build -t driftgate:local .                                       # torch from where pip looks by default
#     docker build -t driftgate:local --build-arg TORCH_INDEX=URL .           # torch's CPU build: URL is PyTorch's whl/cpu folder
#     docker build -t driftgate-agent:local --target agent .                  # the same as an agent of Jenkins
#     docker run --rm driftgate:local doctor

FROM python:3.11.14-slim-bookworm AS packages
# Where torch comes from (empty: where everything else comes from), and which extras are installed (timm, cuda).
ARG TORCH_INDEX=""
ARG EXTRAS=""
# Handed to pip by those who have an index of their own; they stay in this stage.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
RUN python3 -m venv /opt/driftgate
ENV PATH=/opt/driftgate/bin:$PATH
WORKDIR /build
COPY constraints.txt ./
# torch first and pinned, so that no later package brings in another build of it; torchvision, which timm needs, from the same place
RUN if [ -n "$TORCH_INDEX" ]; then set -- --index-url "$TORCH_INDEX"; fi \
 && case ",$EXTRAS," in *,timm,*) set -- "$@" torchvision ;; esac \
 && pip install -c constraints.txt "$@" torch \
 && pip install -c constraints.txt numpy setuptools wheel
# What Driftgate needs, in a layer that its own source does not touch: the version alone stands in for the package.
COPY pyproject.toml README.md LICENSE ./
COPY src/driftgate/__init__.py src/driftgate/__init__.py
RUN pip install -c constraints.txt --no-build-isolation ".${EXTRAS:+[$EXTRAS]}"

FROM packages AS build
COPY src src
RUN pip install --no-deps --no-build-isolation --force-reinstall . \
 && find /opt/driftgate -name '__pycache__' -prune -exec rm -rf {} + \
 && python3 -m compileall -q /opt/driftgate/lib/python3*/site-packages/driftgate

FROM python:3.11.14-slim-bookworm AS runtime
# The compiler is Inductor's; git names the commit of the code under test. Debian's own repository drops old versions: none is pinned.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ git \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 1000 driftgate \
 && useradd --uid 1000 --gid 1000 --create-home --shell /bin/bash driftgate \
 && install -d -o 1000 -g 1000 /work /work/outputs /var/cache/driftgate
COPY --from=packages /opt/driftgate /opt/driftgate
COPY --from=build /opt/driftgate/lib/python3.11/site-packages/driftgate /opt/driftgate/lib/python3.11/site-packages/driftgate
ENV PATH=/opt/driftgate/bin:$PATH DRIFTGATE_CACHE=/var/cache/driftgate PYTHONUNBUFFERED=1
WORKDIR /work
USER 1000:1000
HEALTHCHECK --interval=10m --timeout=2m --start-period=1m --retries=2 CMD ["driftgate", "doctor"]

# An agent of Jenkins: the same, and a Java and an SSH daemon that listens for the controller alone, as the same user.
FROM jenkins/ssh-agent:6.31.0-jdk21 AS java

FROM runtime AS agent
USER 0:0
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends openssh-server \
 && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_* \
 && install -d -o 1000 -g 1000 /home/driftgate/agent \
 && git config --system --add safe.directory /checkout \
 && git config --system --add safe.directory /checkout/.git
COPY --from=java /opt/java/openjdk /opt/java/openjdk
COPY configs/jenkins/agent/sshd_config /etc/driftgate/sshd_config
COPY configs/jenkins/agent/entrypoint.sh /usr/local/lib/agent-entrypoint.sh
USER 1000:1000
EXPOSE 2222
HEALTHCHECK --interval=1m --timeout=10s --start-period=20s --retries=3 CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/2222 && read -r -t 5 line <&3 && [[ $line == SSH-* ]]"]
ENTRYPOINT ["bash", "/usr/local/lib/agent-entrypoint.sh"]

FROM runtime AS driftgate
ENTRYPOINT ["driftgate"]
CMD ["--help"]
