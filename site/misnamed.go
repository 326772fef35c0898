package site

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"cms/repo"
)

// A Misnamed is what the site is told to keep somewhere where the branch has nothing like
// it: most likely a name was typed wrong.
type Misnamed struct {
	Collection string // whose folder it is; "" for that of media
	Extension  bool   // the folder is there, but no file with the collection's extension
	Detail     string // what is missing, and what was meant
}

// maxFolders is how many folders are looked through for what may have been meant.
const maxFolders = 20_000

// Misnamed are the folders of collections and of media that the branch does not have, and
// the collections without entries whose folders hold files of another extension. A branch
// without commits lacks nothing.
func (s *Site) Misnamed() ([]Misnamed, error) {
	snap := s.repo.View()
	media := s.media.Folder.String()
	empty := media != ""
	for _, c := range s.collections {
		empty = empty || snap.Len(c.Name) == 0
	}
	if snap.Commit().IsZero() || !empty {
		return nil, nil
	}
	folders, err := snap.Folders(maxFolders)
	if err != nil || len(folders) >= maxFolders { // then one may be there that is not seen
		return nil, err
	}
	var found []Misnamed
	for _, c := range s.collections {
		switch in := within(folders, c.Folder); {
		case snap.Len(c.Name) > 0:
		case len(in) == 0:
			found = append(found, Misnamed{Collection: c.Name, Detail: missingFolder(c.Folder, folders, c.Extension)})
		default:
			if detail := otherExtension(c.Folder, c.Extension, in); detail != "" {
				found = append(found, Misnamed{Collection: c.Name, Extension: true, Detail: detail})
			}
		}
	}
	if media != "" && len(within(folders, media)) == 0 {
		found = append(found, Misnamed{Detail: missingFolder(media, folders, "")})
	}
	return found, nil
}

// within are the folders in one and below it.
func within(folders []repo.FolderNames, in string) []repo.FolderNames {
	var found []repo.FolderNames
	for _, f := range folders {
		if in == "" || f.Path == in || strings.HasPrefix(f.Path, in+"/") {
			found = append(found, f)
		}
	}
	return found
}

// missingFolder says that there is no such folder, and which one may be meant: one that is
// called so elsewhere or is written like it, rather one that has files of the extension.
func missingFolder(folder string, folders []repo.FolderNames, extension string) string {
	detail := fmt.Sprintf("the branch has no folder %q", folder)
	var paths, full, above []string
	for _, f := range folders {
		if f.Path == "" {
			continue
		}
		paths = append(paths, f.Path)
		if f.Extensions[extension] > 0 {
			full = append(full, f.Path)
		}
		if !strings.Contains(f.Path, "/") {
			above = append(above, f.Path)
		}
	}
	for _, known := range [][]string{full, paths} {
		if best := nearestFolder(folder, known); best != "" {
			return fmt.Sprintf("%s; did you mean %q?", detail, best)
		}
	}
	const most = 10
	if len(above) == 0 {
		return detail + ", nor any other"
	}
	if len(above) > most {
		above = append(above[:most], "…")
	}
	for i := range above {
		above[i] = fmt.Sprintf("%q", above[i])
	}
	return detail + "; it has " + strings.ReplaceAll(strings.Join(above, ", "), `"…"`, "…")
}

// nearestFolder is the folder that is written most like a name or, else, ends like it.
func nearestFolder(name string, known []string) string {
	if best := nearest(name, known); best != "" {
		return best
	}
	byEnd := map[string]string{}
	for _, k := range slices.Backward(known) { // so that those that are less deep count
		byEnd[path.Base(k)] = k
	}
	return byEnd[nearest(path.Base(name), slices.Sorted(maps.Keys(byEnd)))]
}

// otherExtension says of which extension the most files in folders are, if none has the
// one that is looked for; "" where there are no texts either.
func otherExtension(folder, extension string, in []repo.FolderNames) string {
	count := map[string]int{}
	for _, f := range in {
		for ext, n := range f.Extensions {
			count[ext] += n
		}
	}
	best := ""
	for _, ext := range slices.Sorted(maps.Keys(count)) {
		if len(ext) > 1 && count[ext] > count[best] {
			best = ext
		}
	}
	if count[extension] > 0 || best == "" {
		return ""
	}
	return fmt.Sprintf("no file in %q ends in %s; %d end in %s", cmp.Or(folder, "."), extension, count[best], best)
}
