# syntax=docker/dockerfile:1

# The product as one static binary in an image with nothing else: no shell, no
# package manager, and a user that is not root (65532). It needs no writable
# file system but its data volume and /tmp.

FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=devel
ARG TARGETOS
ARG TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/teamsdlp ./cmd/teamsdlp \
    && mkdir /out/data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/teamsdlp /usr/local/bin/teamsdlp
# A named volume takes owner and mode of the folder that it is mounted over.
COPY --from=build --chown=65532:65532 --chmod=0700 /out/data /var/lib/teamsdlp
USER 65532:65532
VOLUME /var/lib/teamsdlp
# 8443 is for Microsoft Graph, 8444 for the review desk, metrics and health.
EXPOSE 8443 8444
ENTRYPOINT ["/usr/local/bin/teamsdlp"]
CMD ["serve", "--config", "/etc/teamsdlp/teamsdlp.yaml"]
# The image has no curl; the binary asks for itself.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/teamsdlp", "check", "--live", "http://127.0.0.1:8444/livez"]
