package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"cms/config"
)

const deployDir = "../../deploy"

// yamls are the documents of a file.
func yamls(t *testing.T, path string) (all []map[string]any) {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for dec := yaml.NewDecoder(bytes.NewReader(src)); ; {
		var document map[string]any
		err := dec.Decode(&document)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, document)
	}
}

// at is what stands at a path of keys and indexes, nil for nothing.
func at(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			l, _ := v.([]any)
			if step >= len(l) {
				return nil
			}
			v = l[step]
		}
	}
	return v
}

// names are the values of a key of the items of a list.
func names(v any, key string) (all []string) {
	l, _ := v.([]any)
	for _, item := range l {
		if s, ok := at(item, key).(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// serves loads a configuration as the service does, but for the secrets, which are elsewhere.
func serves(t *testing.T, path string) *config.Config {
	t.Helper()
	c, err := config.LoadWith(path, []string{"CMS_REPOSITORY_PATH=/data/site.git", "CMS_STATE_URL=sqlite:/data/state.db"}, config.NoSecrets)
	if err == nil {
		err = c.Serves()
	}
	if err == nil {
		_, err = partsOf(c)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return c
}

// secretFiles are the files of secrets that a configuration names.
func secretFiles(c *config.Config) (files []string) {
	for _, is := range c.Auth.Issuers {
		files = append(files, is.SecretFile)
	}
	return files
}

// The unit is one that systemd takes, with a configuration that the service takes, and what
// that names is where the unit puts it.
func TestDeploySystemd(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile(filepath.Join(deployDir, "systemd/cms.service"))
	if err != nil {
		t.Fatal(err)
	}
	unit := string(src)
	for _, file := range secretFiles(serves(t, filepath.Join(deployDir, "systemd/config.yaml"))) {
		name, ok := strings.CutPrefix(file, "/run/credentials/cms.service/")
		if !ok || !strings.Contains(unit, "\nLoadCredential="+name+":") {
			t.Errorf("the unit gives the service no %s", file)
		}
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("NOT TESTED: there is no systemd-analyze to verify the unit with")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "cms")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "cms.service")
	if err := os.WriteFile(file, []byte(strings.Replace(unit, "/usr/bin/cms", program, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	said, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", file).CombinedOutput()
	if err != nil || bytes.Contains(said, []byte("cms.service:")) {
		t.Errorf("%v: %s", err, said)
	}
}

// What the services of the compose file name is there, and the proxy is told what the
// documentation says.
func TestDeployCompose(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(deployDir, "compose")
	file := yamls(t, filepath.Join(dir, "compose.yaml"))[0]
	services, _ := at(file, "services").(map[string]any)
	if len(services) < 4 {
		t.Fatalf("there are %d services", len(services))
	}
	for name, service := range services {
		secrets, _ := at(service, "secrets").([]any)
		for _, secret := range secrets {
			if at(file, "secrets", secret.(string), "file") == nil {
				t.Errorf("%s: there is no secret %v", name, secret)
			}
		}
		volumes, _ := at(service, "volumes").([]any)
		for _, volume := range volumes {
			from, _, _ := strings.Cut(volume.(string), ":")
			_, declared := file["volumes"].(map[string]any)[from]
			_, err := os.Stat(filepath.Join(dir, from))
			if !declared && err != nil && from != "./tls" {
				t.Errorf("%s: there is no %s", name, from)
			}
		}
		on, _ := at(service, "depends_on").(map[string]any)
		for other := range on {
			if services[other] == nil {
				t.Errorf("%s: there is no service %s", name, other)
			}
		}
	}
	for _, path := range secretFiles(serves(t, filepath.Join(dir, "config.yaml"))) {
		if mounted, _ := at(file, "services", "cms", "secrets").([]any); !slices.Contains(mounted, any(filepath.Base(path))) || filepath.Dir(path) != "/run/secrets" {
			t.Errorf("the service is given no %s", path)
		}
	}
	src, err := os.ReadFile(filepath.Join(dir, "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	documented := strings.NewReplacer("server 127.0.0.1:8080;", "server cms:8080;", "/etc/ssl/cms/", "/etc/nginx/tls/").Replace(documentedNginx(t))
	if _, ours, _ := strings.Cut(string(src), "\n"); ours != documented {
		t.Errorf("nginx.conf is not that of docs/operate.md:\n%s", ours)
	}
	if err := exec.CommandContext(t.Context(), "docker", "compose", "version").Run(); err != nil {
		t.Skip("NOT TESTED: there is no docker compose to read the file")
	}
	if said, err := exec.CommandContext(t.Context(), "docker", "compose", "-f", filepath.Join(dir, "compose.yaml"), "config", "--quiet").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}

// The manifests have one writer, at a version that ends before the next one begins, with
// probes that the service answers, and what it names is where it is mounted.
func TestDeployKubernetes(t *testing.T) {
	t.Parallel()
	byKind := map[string]map[string]any{}
	for _, document := range yamls(t, filepath.Join(deployDir, "kubernetes/cms.yaml")) {
		byKind[document["kind"].(string)] = document
	}
	set := byKind["StatefulSet"]
	pod := at(set, "spec", "template", "spec")
	container := at(pod, "containers", 0)
	if at(set, "spec", "replicas") != 1 {
		t.Errorf("there are %v replicas", at(set, "spec", "replicas"))
	}
	for probe, path := range map[string]string{"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"} {
		if at(container, probe, "httpGet", "path") != path || at(container, probe, "httpGet", "port") != at(container, "ports", 0, "name") {
			t.Errorf("%s is %v", probe, at(container, probe))
		}
	}
	for _, key := range []string{"runAsUser", "runAsGroup", "fsGroup"} {
		if at(pod, "securityContext", key) != 65532 {
			t.Errorf("%s is %v, not the user of the image", key, at(pod, "securityContext", key))
		}
	}
	if at(container, "resources", "limits", "memory") == nil || at(container, "resources", "requests", "memory") == nil {
		t.Error("the memory has no bounds")
	}
	volumes := append(names(at(pod, "volumes"), "name"), at(set, "spec", "volumeClaimTemplates", 0, "metadata", "name").(string))
	mounts := names(at(container, "volumeMounts"), "mountPath")
	for _, name := range append(names(at(container, "volumeMounts"), "name"), names(at(pod, "initContainers", 0, "volumeMounts"), "name")...) {
		if !slices.Contains(volumes, name) {
			t.Errorf("there is no volume %s", name)
		}
	}
	labels := at(set, "spec", "template", "metadata", "labels", "app.kubernetes.io/name")
	for what, selects := range map[string]any{"StatefulSet": at(set, "spec", "selector", "matchLabels"), "Service": at(byKind["Service"], "spec", "selector")} {
		if at(selects, "app.kubernetes.io/name") != labels || labels == nil {
			t.Errorf("the %s selects %v", what, selects)
		}
	}
	if at(byKind["Ingress"], "spec", "rules", 0, "http", "paths", 0, "backend", "service", "name") != at(byKind["Service"], "metadata", "name") {
		t.Error("the Ingress leads elsewhere")
	}
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(at(byKind["ConfigMap"], "data", "config.yaml").(string)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range secretFiles(serves(t, file)) {
		if !slices.Contains(mounts, filepath.Dir(path)) {
			t.Errorf("nothing is mounted at %s", filepath.Dir(path))
		}
	}
}
