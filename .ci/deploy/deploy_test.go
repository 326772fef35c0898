// Package deploy holds what stands in deploy/, and the configuration of releases, against
// what reads it: the schema of Compose files and their loader, the types of Kubernetes'
// API, and those of goreleaser.
package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/goreleaser/goreleaser/v2/pkg/config"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const root = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

// holds wants a file to be taken, and to be refused with each of the changes.
func holds(t *testing.T, path string, check func(string) error, changes map[string]string) {
	t.Helper()
	src := read(t, path)
	if err := check(src); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	for old, wrong := range changes {
		changed := strings.Replace(src, old, wrong, 1)
		if changed == src {
			t.Fatalf("%s has no %q", path, old)
		}
		if err := check(changed); err == nil {
			t.Errorf("%s is taken with %q in the place of %q", path, wrong, old)
		}
	}
}

func TestCompose(t *testing.T) {
	holds(t, "deploy/compose/compose.yaml", func(src string) error {
		file := filepath.Join(t.TempDir(), "compose.yaml")
		if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
			return err
		}
		o, err := cli.NewProjectOptions([]string{file}, cli.WithProfiles([]string{"*"}))
		if err != nil {
			return err
		}
		project, err := o.LoadProject(t.Context())
		if err == nil && len(project.Services) < 4 {
			err = fmt.Errorf("it has %d services", len(project.Services))
		}
		return err
	}, map[string]string{
		"    restart: unless-stopped":                    "    restarts: unless-stopped",
		"stop_grace_period: 20s":                         "stop_grace_period: soon",
		"secrets: [jwt, pgpass]":                         "secrets: [jwt, nothing]",
		"postgres: {condition: service_healthy}":         "postgres: {condition: service_well}",
		"cms: {condition: service_started}":              "other: {condition: service_started}",
		"      - data:/data\n      - ./config.yaml:/etc": "      - none:/data\n      - ./config.yaml:/etc",
	})
}

func TestKubernetes(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, networkingv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	holds(t, "deploy/kubernetes/cms.yaml", func(src string) error {
		documents := yaml.NewDocumentDecoder(io.NopCloser(strings.NewReader(src)))
		buffer, kinds := make([]byte, 1<<20), 0
		for {
			n, err := documents.Read(buffer)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			object, kind, err := decoder.Decode(bytes.TrimSpace(buffer[:n]), nil, nil)
			if err != nil {
				return err
			}
			if err := named(object); err != nil {
				return fmt.Errorf("%s: %w", kind.Kind, err)
			}
			kinds++
		}
		if kinds < 4 {
			return fmt.Errorf("there are %d objects", kinds)
		}
		return nil
	}, map[string]string{
		"replicas: 1":                  "replica: 1",
		"replicas: 1\n":                "replicas: one\n",
		"periodSeconds: 2":             "periodSecond: 2",
		"requests: {storage: 10Gi}":    "requests: {storage: 10 GB}",
		"apiVersion: apps/v1":          "apiVersion: apps/v1beta9",
		"  name: cms\n  labels":        "  name: Cms_\n  labels",
		"app.kubernetes.io/name: cms}": "app.kubernetes.io/name: 'c m s'}",
		"pathType: Prefix":             "pathtypes: Prefix",
	})
}

// named says whether names and labels are some that Kubernetes takes.
func named(object runtime.Object) error {
	about, ok := object.(metav1.Object)
	if !ok {
		return errors.New("it has no metadata")
	}
	problems := field.ErrorList{}
	for _, why := range validation.NameIsDNSSubdomain(about.GetName(), false) {
		problems = append(problems, field.Invalid(field.NewPath("metadata", "name"), about.GetName(), why))
	}
	problems = append(problems, metavalidation.ValidateLabels(about.GetLabels(), field.NewPath("metadata", "labels"))...)
	if set, ok := object.(*appsv1.StatefulSet); ok {
		selector := metavalidation.LabelSelectorValidationOptions{}
		problems = append(problems, metavalidation.ValidateLabelSelector(set.Spec.Selector, selector, field.NewPath("spec", "selector"))...)
	}
	return problems.ToAggregate()
}

func TestRelease(t *testing.T) {
	holds(t, ".goreleaser.yaml", func(src string) error {
		project, err := config.LoadReader(strings.NewReader(src))
		if err != nil {
			return err
		}
		for _, packages := range project.NFPMs {
			files := []string{packages.Scripts.PostInstall}
			for _, content := range packages.Contents {
				if content.Source != "" {
					files = append(files, content.Source)
				}
			}
			for _, file := range files {
				if _, err := os.Stat(filepath.Join(root, file)); err != nil {
					return err
				}
			}
		}
		for _, build := range project.Builds {
			if _, err := os.Stat(filepath.Join(root, build.Main)); err != nil {
				return err
			}
		}
		if project.Version != 2 {
			return fmt.Errorf("version %d", project.Version)
		}
		if len(project.Builds) == 0 || len(project.NFPMs) == 0 || len(project.SBOMs) == 0 {
			return errors.New("it builds nothing, packs nothing or tells of nothing")
		}
		return nil
	}, map[string]string{
		"mod_timestamp":                   "mod_time",
		"formats: [deb, rpm]":             "formats: {deb: rpm}",
		"version: 2":                      "version: 1",
		"src: LICENSE":                    "src: LICENCE",
		"postinstall: deploy/systemd/":    "postinstall: deploy/system/",
		"checksum:\n  name_template":      "checksum:\n  template",
		"main: ./cmd/cms":                 "main: ./cmd/other",
		"sboms: # by syft\n  - artifacts": "sboms: # by syft\n  - artifact",
	})
}
