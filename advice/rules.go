package advice

import "slices"

// Rule is the name of a rule.
type Rule string

// The rules.
const (
	ImageAlternative    Rule = "image-alternative"
	ImageDecorative     Rule = "image-decorative"
	ImageFileName       Rule = "image-file-name"
	FrameTitle          Rule = "frame-title"
	FrameTitleVague     Rule = "frame-title-vague"
	Autoplay            Rule = "autoplay"
	VideoCaptions       Rule = "video-captions"
	AudioTranscript     Rule = "audio-transcript"
	TableHeaders        Rule = "table-headers"
	TableTitle          Rule = "table-title"
	LinkEmpty           Rule = "link-empty"
	LinkVague           Rule = "link-vague"
	LinkAddress         Rule = "link-address"
	LinkAmbiguous       Rule = "link-ambiguous"
	PassageLanguage     Rule = "passage-language"
	HTMLPresentation    Rule = "html-presentation"
	HTMLAttributes      Rule = "html-attributes"
	HeadingFirstLevel   Rule = "heading-first-level"
	HeadingGap          Rule = "heading-gap"
	HeadingEmpty        Rule = "heading-empty"
	HeadingBold         Rule = "heading-bold"
	ListFake            Rule = "list-fake"
	SensoryColour       Rule = "sensory-colour"
	SensoryPlace        Rule = "sensory-place"
	DocumentAlternative Rule = "document-alternative"
	DocumentFormat      Rule = "document-format"
	Emoji               Rule = "emoji"
	SentenceLong        Rule = "sentence-long"
	ParagraphLong       Rule = "paragraph-long"
)

// About is what there is to know of a rule.
type About struct {
	Rule      Rule
	Criterion string   // of RGAA 4.1; "" of advice that is ours
	Hint      bool     // said quietly: it may well be right as it is
	Args      []string // the arguments that its findings have
	Fixes     []FixKind

	check func(*text)
}

// rules are all rules. Their arguments are explained at the package.
var rules = []About{
	{ImageAlternative, "1.1", false, []string{"address"}, []FixKind{Describe, Decorate}, imageAlternative},
	{ImageDecorative, "1.2", false, []string{"address", "alternative"}, []FixKind{Decorate}, imageDecorative},
	{ImageFileName, "1.3", false, []string{"address", "alternative"}, []FixKind{Describe}, imageFileName},
	{FrameTitle, "2.1", false, []string{"address"}, []FixKind{Retitle}, frameTitle},
	{FrameTitleVague, "2.2", false, []string{"address", "title"}, []FixKind{Retitle}, frameTitleVague},
	{Autoplay, "4.10", false, []string{"address", "how", "name"}, []FixKind{Remove}, autoplay},
	{VideoCaptions, "4.3", false, []string{"address", "kind"}, nil, videoCaptions},
	{AudioTranscript, "4.1", true, []string{"address"}, nil, audioTranscript},
	{TableHeaders, "5.6", false, []string{"how"}, []FixKind{MakeHead}, tableHeaders},
	{TableTitle, "5.4", true, []string{"how"}, []FixKind{Retitle}, tableTitle},
	{LinkEmpty, "6.2", false, []string{"address"}, []FixKind{Reword}, linkEmpty},
	{LinkVague, "6.1", false, []string{"address", "text"}, []FixKind{Reword}, linkVague},
	{LinkAddress, "6.1", false, []string{"address", "text"}, []FixKind{Reword}, linkAddress},
	{LinkAmbiguous, "6.1", false, []string{"address", "other", "text"}, []FixKind{Reword}, linkAmbiguous},
	{PassageLanguage, "8.7", true, []string{"language", "text"}, []FixKind{Speak}, passageLanguage},
	{HTMLPresentation, "8.9", false, []string{"name"}, []FixKind{Restyle, Remove}, htmlPresentation},
	{HTMLAttributes, "8.9", false, []string{"name", "names"}, []FixKind{Remove}, htmlAttributes},
	{HeadingFirstLevel, "9.1", false, []string{"right", "text"}, []FixKind{Relevel}, headingFirstLevel},
	{HeadingGap, "9.1", false, []string{"level", "right", "text"}, []FixKind{Relevel}, headingGap},
	{HeadingEmpty, "9.1", false, []string{"level"}, []FixKind{Remove}, headingEmpty},
	{HeadingBold, "9.1", false, []string{"right", "text"}, []FixKind{MakeTitle}, headingBold},
	{ListFake, "9.3", false, []string{"text"}, []FixKind{MakeList}, listFake},
	{SensoryColour, "3.1", true, []string{"text"}, nil, sensoryColour},
	{SensoryPlace, "10.9", true, []string{"text"}, nil, sensoryPlace},
	{DocumentAlternative, "13.3", true, []string{"address", "format", "text"}, nil, documentAlternative},
	{DocumentFormat, "", true, []string{"address", "format", "text"}, []FixKind{Announce}, documentFormat},
	{Emoji, "13.5", true, []string{"text"}, []FixKind{Remove}, emoji},
	{SentenceLong, "", true, []string{"text", "words"}, nil, sentenceLong},
	{ParagraphLong, "", true, []string{"text", "words"}, nil, paragraphLong},
}

// Rules are all rules, in the order of the criteria.
func Rules() []About { return slices.Clone(rules) }

// Known says whether there is a rule of a name.
func Known(name string) bool {
	return slices.ContainsFunc(rules, func(r About) bool { return string(r.Rule) == name })
}
