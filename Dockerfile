# Both images can be replaced by those of a registry of your own.
ARG BUILD_IMAGE=docker.io/library/golang:1.26-bookworm
ARG RUN_IMAGE=gcr.io/distroless/static-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/cms ./cmd/cms \
 && mkdir -p /out/data

FROM ${RUN_IMAGE}
COPY --from=build /out/cms /usr/local/bin/cms
# The repository and the state live here: mount a volume that holds site.git, or have a
# new one made by CMS_REPOSITORY_CREATE=true.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8080
ENV CMS_CONFIG=/etc/cms/config.yaml CMS_SERVER_LISTEN=0.0.0.0:8080 CMS_REPOSITORY_PATH=/data/site.git CMS_STATE_URL=sqlite:/data/state.db
HEALTHCHECK --interval=15s --timeout=5s --start-period=10m CMD ["/usr/local/bin/cms", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/cms"]
CMD ["serve"]
