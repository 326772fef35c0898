package media

import "encoding/binary"

// exifHeader is what stands before Exif in a JPEG, and in some WebPs.
const exifHeader = "Exif\x00\x00"

// maxExif is how much of Exif is looked at: as much as a JPEG can hold.
const maxExif = 64 << 10

// upright is the usual orientation, which need not be said.
const upright = 1

// orientation is how a picture is to be turned, from 2 to 8, that says so in
// this Exif, a TIFF that may be cut short; otherwise upright.
func orientation(tiff []byte) byte {
	const header, entrySize, tag, short = 8, 12, 0x0112, 3
	if len(tiff) < header {
		return upright
	}
	var order binary.ByteOrder = binary.BigEndian
	if tiff[0] == 'I' {
		order = binary.LittleEndian
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return upright
	}
	for i := range int64(order.Uint16(tiff[at:])) {
		from := at + 2 + i*entrySize
		if from+entrySize > int64(len(tiff)) {
			return upright
		}
		entry := tiff[from:]
		if order.Uint16(entry) != tag || order.Uint16(entry[2:]) != short {
			continue
		}
		if o := order.Uint16(entry[8:]); o > upright && o <= 8 {
			return byte(o)
		}
		return upright
	}
	return upright
}

// oriented is Exif, a TIFF, that says an orientation and no more.
func oriented(o byte) []byte {
	return append([]byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01"), 0, o, 0, 0, 0, 0, 0, 0)
}
